//! The project's own Rust files, as text and as tokens, for tests of the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Punct, Spacing, TokenStream, TokenTree};

/// Every package of the workspace that is part of a product, by the folder of its sources.
pub const PACKAGES: [&str; 6] =
    ["src", "crates/guard/src", "crates/http-rule/src", "crates/passkeys/src", "crates/proto/src", "argon2-kernel/src"];

/// The generated messages of the guard, which are checked in. Their generator decides on their style.
const GENERATED: &str = "crates/guard/src/watch/pb.rs";

/// A Rust file, with its path relative to the project.
pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// All Rust files of [`PACKAGES`] that are not generated.
pub fn of_products() -> impl Iterator<Item = Source> {
    PACKAGES.into_iter().flat_map(below).filter(|source| source.path != Path::new(GENERATED))
}

/// All Rust files below a folder of the project.
pub fn below(folder: &str) -> Vec<Source> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![project.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push(Source { path: path.strip_prefix(project).unwrap().to_owned(), text });
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no Rust file");
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

impl Source {
    /// The path of the module: `src/layer/service.rs` → `layer`, `service`; `src/layer/mod.rs` → `layer`.
    pub fn module(&self) -> Vec<String> {
        let file = self.path.strip_prefix("src").unwrap().with_extension("");
        file.iter().map(|name| name.to_str().unwrap().to_owned()).filter(|name| name != "mod").collect()
    }

    /// Whether the file holds unit tests and nothing else: its parent declares it under `#[cfg(test)]`.
    pub fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }

    pub fn tokens(&self) -> Vec<String> {
        tokens(&self.text)
    }

    /// The tokens of everything that is not under `#[cfg(test)]`.
    pub fn tokens_without_tests(&self) -> Vec<String> {
        without_tests(&self.tokens())
    }
}

/// The words, `::`, brackets and other characters of a source. A string is one token, and comments are left out.
pub fn tokens(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    flatten(source.parse().unwrap(), &mut found);
    found
}

fn flatten(stream: TokenStream, found: &mut Vec<String>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                found.push(open.to_owned());
                flatten(group.stream(), found);
                found.push(close.to_owned());
            }
            TokenTree::Punct(first) if is_colon(&first) && first.spacing() == Spacing::Joint => {
                let second = trees.next_if(|next| matches!(next, TokenTree::Punct(second) if is_colon(second)));
                found.push(if second.is_some() { "::" } else { ":" }.to_owned());
            }
            other => found.push(other.to_string()),
        }
    }
}

fn is_colon(punctuation: &Punct) -> bool {
    punctuation.as_char() == ':'
}

/// The tokens outside items under `#[cfg(test)]`.
pub fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += MARK.len();
        while at < tokens.len() {
            depth += i32::from(tokens[at] == "{") - i32::from(tokens[at] == "}");
            at += 1;
            if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}
