//! Tests of single values, and of settings that contradict each other.

use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use super::{Cli, Settings, duration};

fn settings(args: &[&str]) -> Settings {
    Cli::try_parse_from([&["countersign"], args].concat()).unwrap().settings
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_duration_is_a_number_and_a_unit() {
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("30d", 2_592_000), ("3650d", 315_360_000)] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "s", "0s", "1", "1w", "-1s", "+1s", "1.5h", "1 h", "3651d", "99999999999999999999d", "1ä"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn only_exactly_true_opens_registration() {
    assert!(settings(&["--allow-registration", "true"]).registration_open());
    for text in ["TRUE", "1", "yes", "true ", "", "false"] {
        assert!(!settings(&["--allow-registration", text]).registration_open(), "{text:?}");
    }
}

#[test]
fn a_token_may_not_outlive_its_session() {
    let error = settings(&["--session-max-lifetime", "1h"]).check(std::iter::empty()).unwrap_err();
    assert_eq!(error.to_string(), "EMAIL_TOKEN_LIFETIME must not be longer than SESSION_MAX_LIFETIME");
}

#[test]
fn every_hash_thread_can_have_a_sign_in() {
    let check = |threads: usize, calls: usize| {
        let flags = [format!("--hash-threads={threads}"), format!("--max-calls={calls}")];
        settings(&flags.each_ref().map(String::as_str)).check(std::iter::empty())
    };
    for threads in 1..50 {
        // Sign-ins leave a quarter of the calls to others.
        let least = (1..).find(|calls| calls - calls / 4 >= threads).unwrap();
        assert!(check(threads, least).is_ok(), "{threads}");
        let few = least - 1;
        let error = if few == 0 { continue } else { check(threads, few).unwrap_err().to_string() };
        assert!(error.contains(&format!("raise MAX_CALLS to {least}, or lower HASH_THREADS")), "{error}");
    }
}
