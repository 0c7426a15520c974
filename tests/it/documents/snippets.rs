//! Every block of code in the documents is run as it stands. The table names, for each page and language, how many
//! blocks there are and what runs them, so a block of code that nothing runs fails these tests. What is no program,
//! such as a sample of an answer, is marked `text`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::links::markdown_files;

/// What runs the blocks of one language in a page.
enum Runner {
    /// `tests/documents/commands.py` runs each command, and compares the answers that a `console` shows. A command that
    /// another step of `.ci/run` runs is not run again.
    Commands,
    /// The step of `.ci/run`, or the test, in this file reads the block from the page and runs it.
    Reader(&'static str),
    /// Each paragraph of the block is code of one of these files, which a step of `.ci/run` runs.
    PartOf(&'static [&'static str]),
    /// A test below asks cargo to resolve the dependencies.
    Cargo,
    /// `cargo test` runs it as the documentation of the library in this file.
    Rustdoc(&'static str),
}

use Runner::{Cargo, Commands, PartOf, Reader, Rustdoc};

/// The page, the language, the number of blocks, and what runs them.
const SNIPPETS: [(&str, &str, usize, Runner); 39] = [
    ("CONTRIBUTING.md", "sh", 3, Commands),
    ("README.md", "console", 2, Commands),
    ("README.md", "sh", 2, Commands),
    ("crates/guard/README.md", "rust", 2, Rustdoc("crates/guard/src/lib.rs")),
    ("crates/guard/README.md", "toml", 1, Cargo),
    ("crates/http-rule/README.md", "console", 1, Commands),
    ("crates/http-rule/README.md", "proto", 1, PartOf(&["crates/http-rule/examples/library/library.proto"])),
    ("crates/http-rule/README.md", "rust", 1, PartOf(&["crates/http-rule/examples/library/main.rs"])),
    ("docs/accounts.md", "console", 1, Commands),
    ("docs/browsers.md", "js", 1, Reader("tests/browser/servers.mjs")),
    ("docs/clients.md", "go", 1, PartOf(&["clients/go/main.go"])),
    ("docs/clients.md", "java", 1, PartOf(&["clients/java/src/main/java/countersign/client/Example.java"])),
    ("docs/clients.md", "python", 1, PartOf(&["clients/python/example.py"])),
    ("docs/clients.md", "sh", 3, Commands),
    ("docs/clients.md", "ts", 2, PartOf(&["clients/typescript/src/example.ts", "clients/typescript/src/browser.ts"])),
    ("docs/email-api.md", "console", 1, Commands),
    ("docs/grpc.md", "console", 4, Commands),
    ("docs/guarding.md", "caddy", 1, PartOf(&["examples/proxies/Caddyfile"])),
    ("docs/guarding.md", "console", 2, Commands),
    ("docs/guarding.md", "go", 1, PartOf(&["tests/interop/go/verify.go"])),
    ("docs/guarding.md", "haproxy", 1, PartOf(&["examples/proxies/haproxy.cfg"])),
    ("docs/guarding.md", "java", 1, PartOf(&["tests/interop/java/src/main/java/countersign/Verify.java"])),
    ("docs/guarding.md", "js", 1, PartOf(&["tests/interop/node/verify.mjs"])),
    ("docs/guarding.md", "nginx", 1, PartOf(&["examples/proxies/nginx.conf"])),
    ("docs/guarding.md", "python", 1, PartOf(&["tests/interop/python/verify.py"])),
    ("docs/guarding.md", "toml", 1, Cargo),
    (
        "docs/guarding.md",
        "yaml",
        3,
        PartOf(&[
            "examples/proxies/envoy.yaml",
            "examples/proxies/envoy-jwt.yaml",
            "examples/proxies/traefik-dynamic.yml",
        ]),
    ),
    ("docs/importing.md", "sh", 1, Commands),
    ("docs/install.md", "sh", 1, Commands),
    ("docs/introspection.md", "console", 1, Commands),
    ("docs/performance.md", "sh", 6, Commands),
    ("docs/replicas.md", "sh", 1, Reader("tests/it/documents/replicas.rs")),
    ("docs/rest.md", "console", 2, Commands),
    ("docs/sessions.md", "console", 1, Commands),
    ("docs/start.md", "sh", 2, Commands),
    ("docs/tls.md", "console", 2, Commands),
    ("docs/username-api.md", "console", 1, Commands),
    ("docs/username-api.md", "nginx", 1, Reader("tests/it/behind_nginx.rs")),
    ("examples/react-sign-in/README.md", "sh", 1, Commands),
];

/// A block of a page: its language, and its lines.
struct Block {
    page: String,
    language: String,
    code: String,
}

/// The blocks of every document. A language ends before a comma, as in `rust,no_run`.
fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for file in markdown_files() {
        let page = file.to_str().unwrap();
        let mut open: Option<Block> = None;
        for line in fs::read_to_string(&file).unwrap().lines() {
            let fence = line.trim_start().strip_prefix("```").or(line.trim_start().strip_prefix("~~~"));
            match (fence, &mut open) {
                (None, None) => {}
                (None, Some(block)) => block.code += &format!("{line}\n"),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    let language = info.split([',', ' ']).next().unwrap_or_default().to_owned();
                    open = Some(Block { page: page.to_owned(), language, code: String::new() });
                }
            }
        }
        assert!(open.is_none(), "{page}: a block has no end");
    }
    blocks
}

/// The code of the blocks of a page in a language.
fn code_of(page: &str, language: &str) -> Vec<String> {
    let is_asked = |block: &Block| block.page == page && block.language == language;
    blocks().into_iter().filter(is_asked).map(|block| block.code).collect()
}

#[test]
fn every_snippet_of_the_documents_has_something_that_runs_it() {
    let mut found = BTreeMap::new();
    for block in blocks() {
        assert!(!block.language.is_empty(), "{}: a block names no language, nor `text`:\n{}", block.page, block.code);
        if block.language != "text" {
            *found.entry((block.page, block.language)).or_insert(0) += 1;
        }
    }
    let listed: BTreeMap<_, _> =
        SNIPPETS.iter().map(|(page, language, count, _)| ((page.to_string(), language.to_string()), *count)).collect();
    assert_eq!(listed.len(), SNIPPETS.len(), "a page and language is listed twice");
    assert_eq!(found, listed, "have each block of code run, and list it in SNIPPETS, or mark it `text`");
}

#[test]
fn what_runs_a_snippet_reads_it_from_its_page() {
    for (page, language, count, runner) in &SNIPPETS {
        match runner {
            Commands => {
                let script = fs::read_to_string("tests/documents/commands.py").unwrap();
                let (_, pages) = script.split_once("\nPAGES = [").unwrap();
                let (pages, _) = pages.split_once(']').unwrap();
                assert!(pages.contains(&format!("\"{page}\"")), "{page} is not in PAGES of commands.py");
            }
            Reader(file) => {
                assert!(fs::read_to_string(file).unwrap().contains(page), "{file} does not read {page}");
                assert_eq!(*count, 1, "{file} runs the first block of {page} only");
            }
            PartOf(files) => {
                let files: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
                for paragraph in code_of(page, language).iter().flat_map(|code| code.split("\n\n")) {
                    let is_part = files.iter().any(|file| has_lines(file, paragraph));
                    assert!(is_part, "{page}: this {language} is in no program that runs:\n{paragraph}");
                }
            }
            Cargo => {
                for code in code_of(page, language) {
                    resolve(page, &code);
                }
            }
            Rustdoc(library) => {
                let text = fs::read_to_string(library).unwrap();
                assert!(text.contains("doc = include_str!(\"../README.md\")"), "{library} does not include {page}");
                let code = fs::read_to_string(page).unwrap();
                assert!(!code.contains("no_run") && !code.contains("ignore"), "{page}: rustdoc runs its code");
            }
        }
    }
}

/// Whether these lines of a page stand in a program, there perhaps further to the right or to the left.
fn has_lines(program: &str, lines: &str) -> bool {
    let (program, lines): (Vec<_>, Vec<_>) = (program.lines().collect(), lines.lines().collect());
    program.windows(lines.len()).any(|part| without_indentation(part) == without_indentation(&lines))
}

/// The lines without the indentation that the first one has.
fn without_indentation<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indentation = lines.first().map_or("", |first| &first[..first.len() - first.trim_start().len()]);
    lines.iter().map(|line| line.strip_prefix(indentation).unwrap_or(line)).collect()
}

/// Has cargo resolve these dependencies of a new program, with this project in the place of the package registry.
fn resolve(page: &str, dependencies: &str) {
    let dir = tempfile::tempdir().unwrap();
    let guard = fs::canonicalize("crates/guard").unwrap();
    let package = "[package]\nname = \"app\"\nedition = \"2024\"";
    let patch = format!("[patch.crates-io]\ncountersign-guard = {{ path = {guard:?} }}");
    let manifest = format!("{package}\n\n{dependencies}\n{patch}\n");
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::copy("Cargo.lock", dir.path().join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(["tree", "--offline"]).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("was not used"), "{page}: {said}");
}
