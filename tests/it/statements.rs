//! Every SQL statement of the store is written once. Statements that both engines run are in `src/store/statements`,
//! and an engine has only statements that the other one cannot run. Checked against the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_statement_stands_once_in_the_store() {
    let mut places = BTreeMap::<String, Vec<PathBuf>>::new();
    for folder in ["statements", "sqlite", "postgres"] {
        for path in sources(folder) {
            for statement in statements(&fs::read_to_string(&path).unwrap()) {
                places.entry(statement).or_default().push(path.clone());
            }
        }
    }
    let found =
        |folder: &str| places.values().flatten().filter(|path| path.parent().unwrap().ends_with(folder)).count();
    for (folder, least) in [("statements", 60), ("sqlite", 20), ("postgres", 20)] {
        assert!(found(folder) >= least, "{folder} has only {} statements: are they all seen?", found(folder));
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "move these to src/store/statements: {places:#?}");
}

#[test]
fn a_statement_that_stands_twice_would_be_found() {
    let source = r#"
        // "delete from comments where id = $1"
        const A: &str = "select id from
            accounts where \"id\" = ?1";
        const B: &str = concat!(select!(), " where id = $1 and \
            email = $2");
        fn quote() -> char { '"' }
        const C: &str = "accounts";
        #[cfg(test)]
        mod tests { const D: &str = "delete from tests where id = $1"; }
    "#;
    assert_eq!(statements(source), ["select id from accounts where \"id\" = $1", "where id = $1 and email = $2"]);
}

/// The Rust files of a folder of the store.
fn sources(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store").join(folder);
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The string literals of a source with at least five words, which every statement has. White space is made one space,
/// and both ways to write a parameter one way. Comments and unit tests are left out.
fn statements(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("'\"'", "").replace("\\\"", "\u{0}").replace("\\\n", " ");
    code.split('"')
        .skip(1)
        .step_by(2)
        .map(|literal| literal.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() >= 5)
        .map(|words| words.join(" ").replace('\u{0}', "\"").replace('?', "$"))
        .collect()
}
