//! The rules for sources that a test can check: the length of files, the width of comments, documentation of at least
//! four words, one meaning for each type name, and the places of `unsafe`.

use std::collections::BTreeMap;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::support::sources::{self, PACKAGES, Source, of_products};

/// `max_width` of `rustfmt.toml`, which rustfmt does not apply to comments.
const MAX_WIDTH: usize = 120;

/// The fewest words of an item's documentation. A shorter one repeats the name.
const FEWEST_WORDS: usize = 4;

#[test]
fn a_file_says_what_it_is_and_is_short() {
    let mut lengths = Vec::new();
    for source in
        of_products().chain(["tests", "benches", "argon2-kernel/benches"].into_iter().flat_map(sources::below))
    {
        let lines = source.text.lines().count();
        assert!(source.text.starts_with("//! "), "{} must open with //! and say what it is", source.path.display());
        assert!(lines <= 400, "{} has {lines} lines", source.path.display());
        if source.path.starts_with("src") {
            lengths.push(lines);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 120, "the median of the files of src is {median} lines");
}

#[test]
fn a_comment_is_no_wider_than_the_code() {
    let mut wide = Vec::new();
    for source in of_products().chain(["tests", "benches", "proof"].into_iter().flat_map(sources::below)) {
        for (at, line) in source.text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > MAX_WIDTH {
                wide.push(format!("{}:{}", source.path.display(), at + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn documentation_of_an_item_says_something() {
    let mut short = Vec::new();
    for source in of_products() {
        let mut words = Vec::new();
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim();
            if let Some(text) = line.strip_prefix("///") {
                words.extend(text.split_whitespace());
            } else if !words.is_empty() && !line.starts_with("#[") {
                if words.len() < FEWEST_WORDS {
                    short.push(format!("{}:{}: {}", source.path.display(), at, words.join(" ")));
                }
                words.clear();
            }
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[test]
fn a_type_name_has_one_meaning_in_its_crate() {
    for package in PACKAGES {
        let mut types = Types::default();
        for source in of_products().filter(|source| source.path.starts_with(package) && !source.is_test()) {
            types.path = source.path.display().to_string();
            types.visit_file(&syn::parse_file(&source.text).unwrap());
        }
        types.found.retain(|_, paths| paths.len() > 1);
        assert!(types.found.is_empty(), "{:#?}", types.found);
    }
}

#[test]
fn unsafe_stands_in_three_places_of_the_kernel_only() {
    let unsafe_in = |source: &Source| source.tokens().iter().filter(|token| *token == "unsafe").count();
    let found: Vec<_> =
        of_products().map(|source| (unsafe_in(&source), source.path)).filter(|(times, _)| *times > 0).collect();
    let expected = ["compress/avx2.rs", "compress/avx512.rs", "memory.rs"];
    assert_eq!(found, expected.map(|file| (1, Path::new("argon2-kernel/src").join(file))));
}

/// The places where each type name is declared, without unit tests.
#[derive(Default)]
struct Types {
    path: String,
    found: BTreeMap<String, Vec<String>>,
}

impl Visit<'_> for Types {
    fn visit_item(&mut self, item: &syn::Item) {
        let name = match item {
            syn::Item::Enum(item) => &item.ident,
            syn::Item::Struct(item) => &item.ident,
            syn::Item::Trait(item) => &item.ident,
            syn::Item::Type(item) => &item.ident,
            syn::Item::Union(item) => &item.ident,
            syn::Item::Mod(item) if is_test(&item.attrs) => return,
            _ => return visit::visit_item(self, item),
        };
        self.found.entry(name.to_string()).or_default().push(self.path.clone());
        visit::visit_item(self, item);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}
