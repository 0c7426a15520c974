//! The tables of `docs/settings.md` agree with the settings of the command line parser. The marker of each table names
//! its settings, so the author of the page decides on the groups.

use std::collections::BTreeSet;
use std::fs;

use clap::{Arg, CommandFactory as _};
use countersign::config::Cli;

const PAGE: &str = "docs/settings.md";

fn settings() -> Vec<Arg> {
    Cli::command().get_arguments().filter(|arg| arg.get_env().is_some()).cloned().collect()
}

/// The environment variable of a setting.
fn variable(setting: &Arg) -> &str {
    setting.get_env().and_then(|name| name.to_str()).unwrap()
}

#[test]
fn the_page_of_settings_agrees_with_the_code() {
    let settings = settings();
    super::is_up_to_date(PAGE, |names| {
        let rows = names.split_whitespace().map(|name| {
            let setting = settings.iter().find(|setting| variable(setting) == name);
            let (text, default) = super::help(setting.unwrap_or_else(|| panic!("{PAGE}: there is no setting {name}")));
            super::row(&[&format!("`{name}`"), &default.unwrap_or_default(), &text])
        });
        format!("| setting | default | meaning |\n|---|---|---|\n{}", rows.collect::<String>())
    });
}

#[test]
fn every_setting_is_in_one_table_of_the_page() {
    let page = fs::read_to_string(PAGE).unwrap();
    let parts = super::generated_parts(&page);
    let listed: Vec<_> = parts.iter().flat_map(|(names, _)| names.split_whitespace()).collect();
    let settings = settings();
    let known: BTreeSet<_> = settings.iter().map(variable).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), known);
    assert_eq!(listed.len(), known.len(), "a setting is listed twice");
}

#[test]
fn the_flag_of_a_setting_is_its_variable_in_lower_case_with_hyphens() {
    for setting in settings() {
        let expected = variable(&setting).to_lowercase().replace('_', "-");
        assert_eq!(setting.get_long(), Some(&*expected));
    }
}
