//! Every relative link in every Markdown file leads to an existing file, and to an existing heading if it names one.
//! Every page of `docs/` is in its table of contents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of documents. The other folders hold what tools install.
const FOLDERS: [&str; 7] = ["docs", "crates", "examples", "clients", "findings", "argon2-kernel", ".github"];

pub(super) fn markdown_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(Path::new("."), false, &mut found);
    for folder in FOLDERS.iter().map(Path::new).filter(|folder| folder.exists()) {
        collect(folder, true, &mut found);
    }
    found
}

fn collect(folder: &Path, is_deep: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_installed = path.ends_with("target") || path.ends_with("node_modules");
        if path.is_dir() && is_deep && !is_installed {
            collect(&path, true, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
        }
    }
}

/// The text without code: in code, brackets are no links and `#` is no heading.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The text of a paragraph or a line outside backticks.
fn without_code_spans(text: &str) -> String {
    text.split("\n\n").flat_map(|paragraph| paragraph.split('`').step_by(2).chain(["\n\n"])).collect()
}

/// The targets of `[text](target)` and of `[name]: target`.
fn links(prose: &str) -> Vec<String> {
    let text = without_code_spans(prose);
    let inline = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    let named = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, to)| to.to_owned()));
    inline.chain(named).collect()
}

/// The anchors of a page's headings: letters, digits, hyphens and underscores, in lower case, with spaces as hyphens.
/// The second of two equal anchors ends with `-1`.
fn anchors(prose: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings = prose
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    headings
        .map(|heading| {
            let heading = heading.trim().to_lowercase().replace(' ', "-");
            let slug: String = heading.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            let times = seen.entry(slug.clone()).or_default();
            *times += 1;
            if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
        })
        .collect()
}

#[test]
fn every_relative_link_resolves() {
    let mut broken = Vec::new();
    for file in markdown_files() {
        let text = prose(&fs::read_to_string(&file).unwrap());
        for link in links(&text).iter().filter(|link| !link.contains(':')) {
            let (path, anchor) = link.split_once('#').map_or((&**link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            let is_there = match anchor {
                None => target.exists(),
                Some(anchor) => fs::read_to_string(&target).is_ok_and(|text| anchors(&prose(&text)).contains(anchor)),
            };
            if !is_there {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_is_once_in_the_table_of_contents() {
    let mut listed = links(&fs::read_to_string("docs/SUMMARY.md").unwrap());
    listed.retain(|link| !link.contains('/'));
    listed.sort();
    let names = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect();
    pages.sort();
    assert_eq!(listed, pages);
}

#[test]
fn links_and_anchors_are_found_where_markdown_has_them() {
    let text = prose(
        "# A `B` of C\n[x](y.md#a) `[no](no.md)` [two\nlines](z.md)\n```\n[code](c.md)\n# no\n```\n# A b of c\n[1]: v.md\n",
    );
    assert_eq!(links(&text), ["y.md#a", "z.md", "v.md"]);
    assert_eq!(anchors(&text).into_iter().collect::<Vec<_>>(), ["a-b-of-c", "a-b-of-c-1"]);
}
