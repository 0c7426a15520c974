//! The arrows of `ARCHITECTURE.md`, read from the sources: who may use whom, which crates stay outside, and how long a
//! file may be. Documentation and unit tests may name what they like.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate and what it may use; in the order of `lib.rs`.
const ARROWS: [(&str, &[&str]); 25] = [
    ("clock", &[]),
    ("domain", &[]),
    ("import", &["domain"]),
    ("pb", &[]),
    ("token", &["clock"]),
    ("revocations", &["domain", "clock"]),
    ("activity", &["clock"]),
    ("budgets", &["domain", "clock"]),
    ("meter", &[]),
    ("hashing", &["domain"]),
    ("breaches", &["domain"]),
    ("store", &["domain"]),
    ("mail", &["domain", "store", "clock"]),
    ("layer", &["token", "revocations"]),
    ("watch", &["pb", "revocations", "token", "domain"]),
    ("accounts", &["domain", "store", "hashing", "breaches", "token", "revocations", "activity", "budgets", "clock"]),
    ("grpc", &["accounts", "layer", "token", "revocations", "activity", "meter", "domain", "pb"]),
    ("rest", &["pb"]),
    ("config", &["domain", "clock", "token", "revocations", "hashing", "mail"]),
    ("telemetry", &[]),
    ("transport", &["config", "grpc", "rest", "meter", "domain"]),
    ("jobs", &["transport", "accounts", "store", "hashing", "revocations", "activity", "budgets", "clock", "pb"]),
    (
        "server",
        &[
            "config",
            "transport",
            "jobs",
            "grpc",
            "rest",
            "accounts",
            "breaches",
            "store",
            "hashing",
            "mail",
            "token",
            "revocations",
            "activity",
            "budgets",
            "meter",
            "clock",
        ],
    ),
    ("command", &["accounts", "breaches", "clock", "config", "domain", "hashing", "import", "store"]),
    ("main", &["config", "command", "server", "telemetry"]),
];

/// Crates that a module must not name.
const OUTSIDE: [(&str, &[&str]); 14] = [
    ("domain", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("import", &["tonic", "axum", "http", "hyper"]),
    ("token", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("revocations", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("activity", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("budgets", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("accounts", &["tonic", "axum", "http"]),
    ("breaches", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("store", &["tonic", "axum", "http"]),
    ("mail", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("hashing", &["tonic", "axum", "http", "prometheus_client"]),
    ("rest", &["sqlx"]),
    ("grpc", &["sqlx"]),
    ("layer", &["tonic", "axum"]),
];

#[test]
fn every_use_follows_an_arrow() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        let module = module_path(&path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module[0]) else {
            assert_eq!(module[0], "lib", "{} is no module of the arrows: add it", module[0]);
            continue;
        };
        for used in uses(&without_tests(tokens(&source)), &module) {
            if used != module[0] && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_module_names_a_crate_that_is_kept_out_of_it() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        let module = module_path(&path);
        let tokens = without_tests(tokens(&source));
        for (_, outside) in OUTSIDE.iter().filter(|(name, _)| *name == module[0]) {
            for named in outside.iter().filter(|name| names_crate(&tokens, name)) {
                wrong.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_compiler_is_trusted_blindly_in_one_place_only() {
    let says = |source: &str| tokens(source).iter().filter(|token| *token == "unsafe").count();
    let all = sources("src").into_iter().chain(sources("argon2-kernel/src"));
    let found: Vec<_> = all.map(|(path, source)| (path, says(&source))).filter(|(_, times)| *times > 0).collect();
    let expected = ["compress/avx2.rs", "compress/avx512.rs", "memory.rs"];
    assert_eq!(found, expected.map(|file| (Path::new("argon2-kernel/src").join(file), 1)));
}

#[test]
fn a_file_says_what_it_is_and_is_short() {
    let mut lengths = Vec::new();
    let kernel = ["argon2-kernel/src", "argon2-kernel/benches"].map(sources).concat();
    for (path, source) in [sources("src"), sources("tests"), kernel].concat() {
        let lines = source.lines().count();
        assert!(source.starts_with("//! "), "{} must open with //! and say what it is", path.display());
        assert!(lines <= 400, "{} has {lines} lines", path.display());
        if path.starts_with("src") {
            lengths.push(lines);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 120, "the median of the files of src is {median} lines");
}

#[test]
fn what_is_forbidden_would_be_found() {
    let source = r##"
        //! [`crate::documented`] and crate::commented
        use crate::plain::Thing;
        use crate::{first::{A, B}, second};
        use super::super::climbed::Thing;
        use super::sibling;
        pub(crate) fn f<'a>(text: &'a str) { crate::called::g("crate::quoted", r#"crate::raw"#, '"') }
        fn g() { tonic::Status::ok() }
        /* crate::blocked /* nested */ crate::blocked */
        #[cfg(test)]
        mod tests { use crate::tested; fn f() { axum::serve() } }
        use hyper_util::axum;
        use http;
    "##;
    let tokens = without_tests(tokens(source));
    let module = ["layer".to_owned(), "service".to_owned()];
    assert_eq!(uses(&tokens, &module), ["called", "climbed", "first", "plain", "second"].map(String::from).into());
    assert!(names_crate(&tokens, "tonic"));
    assert!(names_crate(&tokens, "http"));
    assert!(!names_crate(&tokens, "axum"), "in tests and behind another crate only");
    assert!(uses(&self::tokens("use countersign::{store, pb::Account};"), &["main".to_owned()]).contains("store"));
}

/// All Rust files below a folder of the package, with their paths relative to the package.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![package.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(package).unwrap().to_owned(), source));
            }
        }
    }
    assert!(!files.is_empty());
    files.sort();
    files
}

/// `src/layer/service.rs` → `layer`, `service`; `src/layer/mod.rs` → `layer`.
fn module_path(file: &Path) -> Vec<String> {
    let file = file.strip_prefix("src").unwrap().with_extension("");
    let names = file.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The top-level modules that a file uses: after `crate::`, after as many `super::` as lead to the root, and, in
/// `main.rs`, after the crate's own name.
fn uses(tokens: &[String], module: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let begins = at == 0 || tokens[at - 1] != "::";
        let is = |offset: usize, text: &str| tokens.get(at + offset).is_some_and(|token| token == text);
        let root = if (is(0, "crate") || (module[0] == "main" && is(0, "countersign"))) && is(1, "::") {
            2
        } else if begins {
            let climbs = (0..).take_while(|climb| is(2 * climb, "super") && is(2 * climb + 1, "::")).count();
            if climbs == 0 || climbs < module.len() {
                continue;
            }
            2 * climbs
        } else {
            continue;
        };
        found.extend(roots(&tokens[at + root..]));
    }
    found
}

/// The first names of a path, or of each path in a group.
fn roots(path: &[String]) -> Vec<String> {
    if path[0] != "{" {
        return vec![path[0].clone()];
    }
    let (mut depth, mut names) = (0, Vec::new());
    for (at, token) in path.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(path[at - 1].as_str(), "{" | ",") => names.push(token.clone()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn names_crate(tokens: &[String], name: &str) -> bool {
    (0..tokens.len()).any(|at| {
        let before = if at == 0 { "" } else { &tokens[at - 1] };
        let after = tokens.get(at + 1).map_or("", String::as_str);
        tokens[at] == name && !matches!(before, "::" | ".") && (after == "::" || matches!(before, "use" | "crate"))
    })
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
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

/// A source as words, `::` and single other characters; comments, strings, characters and lifetimes' quotes left out.
fn tokens(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..text.len()).find(|&at| text[at..].starts_with(&end)).map_or(text.len(), |at| at + end.len())
    };
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let next = text.get(at + 1).copied().unwrap_or(' ');
        at = match text[at] {
            '/' if next == '/' => find(at, "\n"),
            '/' if next == '*' => {
                let (mut depth, mut end) = (1, at + 2);
                while depth > 0 && end < text.len() {
                    match (text[end], text.get(end + 1)) {
                        ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
                        ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
                        _ => end += 1,
                    }
                }
                end
            }
            '"' => {
                let mut end = at + 1;
                while end < text.len() && text[end] != '"' {
                    end += if text[end] == '\\' { 2 } else { 1 };
                }
                end + 1
            }
            '\'' if next == '\\' => find(at + 3, "'"),
            '\'' if text.get(at + 2) == Some(&'\'') => at + 3,
            ':' if next == ':' => {
                tokens.push("::".to_owned());
                at + 2
            }
            first if first.is_alphanumeric() || first == '_' => {
                let word: String = text[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let after = at + word.chars().count();
                let hashes = text[after..].iter().take_while(|c| **c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && text.get(after + hashes) == Some(&'"') {
                    find(after + hashes + 1, &format!("\"{}", "#".repeat(hashes)))
                } else {
                    tokens.push(word);
                    after
                }
            }
            other => {
                if !other.is_whitespace() && other != '\'' {
                    tokens.push(other.to_string());
                }
                at + 1
            }
        };
    }
    tokens
}
