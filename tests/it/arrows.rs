//! The arrows of `ARCHITECTURE.md`, read from the sources: which module may use which other one, and which crates it must
//! not name. Documentation and unit tests may name anything.

use std::collections::BTreeSet;

use crate::support::sources::{self, tokens, without_tests};

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
    ("rest", &["layer", "pb"]),
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
    for source in sources::below("src") {
        let module = source.module();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module[0]) else {
            assert_eq!(module[0], "lib", "{} is no module of the arrows: add it", module[0]);
            continue;
        };
        for used in uses(&source.tokens_without_tests(), &module) {
            if used != module[0] && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_module_names_a_crate_that_is_kept_out_of_it() {
    let mut wrong = Vec::new();
    for source in sources::below("src") {
        let module = source.module();
        let tokens = source.tokens_without_tests();
        for (_, outside) in OUTSIDE.iter().filter(|(name, _)| *name == module[0]) {
            for named in outside.iter().filter(|name| names_crate(&tokens, name)) {
                wrong.push(format!("{} names {named}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_forbidden_use_would_be_found() {
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
    let found = without_tests(&tokens(source));
    let module = ["layer".to_owned(), "service".to_owned()];
    assert_eq!(uses(&found, &module), ["called", "climbed", "first", "plain", "second"].map(String::from).into());
    assert!(names_crate(&found, "tonic"));
    assert!(names_crate(&found, "http"));
    assert!(!names_crate(&found, "axum"), "in tests and behind another crate only");
    assert!(uses(&sources::tokens("use countersign::{store, pb::Account};"), &["main".to_owned()]).contains("store"));
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
