//! The documents: the generated pages agree with the code, every page is in the table of contents, every link
//! resolves, and every block of code is run.
//!
//! `BLESS=1 cargo test --test it documents` writes the generated parts instead of comparing them.

mod command_line;
mod links;
mod replicas;
mod settings;
mod snippets;

use std::fs;
use std::ops::Range;

/// The generated parts of `page`, in order, with their arguments. Each part begins after a line `<!-- generated:
/// ARGUMENTS -->` and ends before the next line `<!-- end -->`.
fn generated_parts(page: &str) -> Vec<(String, Range<usize>)> {
    const OPENING: &str = "<!-- generated: ";
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(at) = page[from..].find(OPENING).map(|at| from + at) {
        let arguments = page[at + OPENING.len()..].split_once(" -->\n").expect("the marker has a line of its own").0;
        let start = at + OPENING.len() + arguments.len() + " -->\n".len();
        let end = start + page[start..].find("<!-- end -->").expect("the part has an end");
        parts.push((arguments.to_owned(), start..end));
        from = end;
    }
    parts
}

/// Compares each generated part of the page at `path` with the text that `render` makes of its arguments.
#[expect(clippy::disallowed_methods, reason = "what the tests are told is no setting of the product")]
fn is_up_to_date(path: &str, render: impl Fn(&str) -> String) {
    let page = fs::read_to_string(path).unwrap();
    let mut fresh = page.clone();
    // Replaced from the end, so that the places of earlier parts stay right.
    for (arguments, place) in generated_parts(&page).into_iter().rev() {
        fresh.replace_range(place, &format!("\n{}\n", render(&arguments)));
    }
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        fs::write(path, fresh).unwrap();
    } else {
        assert!(page == fresh, "{path} differs from the code: BLESS=1 cargo test --test it documents");
    }
}

/// A row of a Markdown table.
fn row(cells: &[&str]) -> String {
    let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
    let cells: String =
        cells.map(|cell| if cell.is_empty() { "| ".to_owned() } else { format!("| {cell} ") }).collect();
    format!("{cells}|\n")
}

/// The help text of a setting or an argument without its `[default: …]`, and that default.
fn help(arg: &clap::Arg) -> (String, Option<String>) {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    // clap takes the full stop from the first paragraph.
    let text = help.replace("\n\n", ". ").replace('\n', " ");
    let (text, default) = match text.split_once(" [default: ") {
        None => (text, None),
        Some((before, after)) => {
            let (default, rest) = after.split_once(']').expect("the default has an end");
            (format!("{before}{rest}"), Some(default.to_owned()))
        }
    };
    let values: Vec<_> = arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let is_switch = values == ["`true`", "`false`"];
    let text = if values.is_empty() || is_switch { text } else { format!("{text}: {}", values.join(", ")) };
    let set: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = if set.is_empty() { default } else { Some(format!("`{}`", set.join(","))) };
    (text, default.filter(|default| default != "``"))
}

/// The command is not run here: its source and target are the operator's databases.
#[test]
fn the_sample_of_a_move_has_every_table() {
    let page = fs::read_to_string("docs/backups.md").unwrap();
    let (_, sample) = page.split_once("table           rows\n").expect("the table begins as the command prints it");
    let (sample, _) = sample.split_once("\nsha256          ").expect("the sum follows");
    let shown: Vec<_> = sample.lines().map(|line| line.split_at(16).0).collect();
    assert_eq!(shown, countersign::store::TABLES.map(|table| format!("{:<14}  ", table.name)));
}

#[test]
fn the_readme_fits_120_lines() {
    let lines = fs::read_to_string("README.md").unwrap().lines().count();
    assert!(lines <= 120, "README.md has {lines} lines: a page of docs/ is the place for more");
}
