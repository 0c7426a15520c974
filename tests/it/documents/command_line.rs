//! `docs/command-line.md` agrees with the commands and arguments that the command line parser knows.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use countersign::config::Cli;

#[test]
fn the_page_of_the_command_line_agrees_with_the_code() {
    super::is_up_to_date("docs/command-line.md", |name| {
        let root = Cli::command();
        let command = root.find_subcommand(name).unwrap_or_else(|| panic!("there is no command {name}"));
        let mut page = String::new();
        write_command(&mut page, "countersign", command, 2);
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    });
}

#[test]
fn every_command_has_its_part_of_the_page() {
    let page = std::fs::read_to_string("docs/command-line.md").unwrap();
    let parts: Vec<_> = super::generated_parts(&page).into_iter().map(|(name, _)| name).collect();
    let root = Cli::command();
    let commands: Vec<_> = root.get_subcommands().map(Command::get_name).collect();
    assert_eq!(parts, commands);
}

/// Writes the section of `command`, and the sections of its subcommands one level below.
fn write_command(page: &mut String, parent: &str, command: &Command, level: usize) {
    let path = format!("{parent} {}", command.get_name());
    let positionals: String = command.get_positionals().map(|arg| format!(" {}", argument(arg))).collect();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let first = about.split("\n\n").next().unwrap_or_default();
    let rest = about.strip_prefix(first).unwrap_or_default();
    writeln!(page, "{} `{path}{positionals}`\n\n{first}.{rest}\n", "#".repeat(level)).unwrap();
    // Settings are flags of every command and have a page of their own.
    let arguments: Vec<_> = command.get_arguments().filter(|arg| arg.get_env().is_none()).collect();
    if !arguments.is_empty() {
        page.push_str("| argument | default | meaning |\n|---|---|---|\n");
        for arg in arguments {
            let (text, default) = super::help(arg);
            page.push_str(&super::row(&[&format!("`{}`", argument(arg)), &default.unwrap_or_default(), &text]));
        }
        page.push('\n');
    }
    for subcommand in command.get_subcommands() {
        write_command(page, &path, subcommand, (level + 1).min(4));
    }
}

/// A parameter as the page shows it: `HANDLE`, `[FILE]`, `--limit LIMIT`, `--all`.
fn argument(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first()).map_or_else(String::new, ToString::to_string);
    match arg.get_long() {
        Some(flag) if arg.get_action().takes_values() => format!("--{flag} {value}"),
        Some(flag) => format!("--{flag}"),
        None if arg.is_required_set() => value,
        None => format!("[{value}]"),
    }
}
