//! The arrows of `ARCHITECTURE.md`, checked against the sources: which modules a module may use, and which crates it
//! must not name. Documentation and unit tests may name anything.

use std::collections::BTreeSet;

use crate::support::sources::{self, tokens, without_tests};

/// Every module of the server with the modules that it may use. A module stands after those that it depends on. `pb` is
/// the package `crates/proto`; the guard is a package that every module may use.
const ARROWS: [(&str, &[&str]); 23] = [
    ("domain", &[]),
    ("import", &["domain"]),
    ("activity", &[]),
    ("budgets", &["domain"]),
    ("meter", &[]),
    ("probe", &[]),
    ("hashing", &["domain"]),
    ("breaches", &["domain"]),
    ("store", &["domain"]),
    ("mail", &["domain", "store"]),
    ("keys", &["domain", "store"]),
    ("accounts", &["domain", "store", "keys", "hashing", "breaches", "activity", "budgets"]),
    ("grpc", &["accounts", "keys", "activity", "meter", "domain", "pb"]),
    ("rest", &["pb"]),
    ("config", &["domain", "hashing", "mail"]),
    ("telemetry", &[]),
    ("transport", &["config", "grpc", "rest", "meter", "domain"]),
    ("jobs", &["transport", "accounts", "keys", "store", "hashing", "activity", "budgets", "pb"]),
    (
        "server",
        &[
            "config",
            "transport",
            "jobs",
            "grpc",
            "rest",
            "accounts",
            "keys",
            "store",
            "hashing",
            "breaches",
            "budgets",
            "mail",
            "activity",
            "meter",
            "probe",
        ],
    ),
    ("command", &["accounts", "breaches", "config", "domain", "hashing", "import", "probe", "store"]),
    ("process", &["config", "command", "server", "telemetry"]),
    ("main", &["process"]),
    ("lib", &[]),
];

/// Crates that the files below a path must not name.
const OUTSIDE: [(&str, &[&str]); 15] = [
    ("src/domain", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("src/import", &["tonic", "axum", "http", "hyper"]),
    ("src/activity.rs", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("src/budgets", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("src/accounts", &["tonic", "axum", "http"]),
    ("src/breaches", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("src/store", &["tonic", "axum", "http"]),
    ("src/mail", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("src/keys", &["tonic", "axum", "http", "hyper", "sqlx"]),
    ("src/hashing", &["tonic", "axum", "http", "prometheus_client"]),
    ("src/rest", &["sqlx"]),
    ("src/grpc", &["sqlx"]),
    ("crates/guard/src/token", &["tonic", "http", "tokio"]),
    ("crates/guard/src/layer", &["tonic"]),
    ("crates/passkeys/src", &["tonic", "axum", "http", "hyper", "sqlx", "tokio"]),
];

#[test]
fn every_use_follows_an_arrow() {
    let mut wrong = Vec::new();
    for source in sources::below("src") {
        let module = source.module();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module[0]) else {
            panic!("{} is no module of the arrows: add it", module[0]);
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
    for source in sources::of_products() {
        let tokens = source.tokens_without_tests();
        for (_, outside) in OUTSIDE.iter().filter(|(path, _)| source.path.starts_with(path)) {
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
