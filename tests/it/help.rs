//! What the program says of itself: help, manual pages, completions and the version.

use std::path::Path;
use std::process::Command;

use crate::settings::{ended, ends, good};
use crate::support::SECRET;
use crate::support::binary::database;

/// Runs a command that succeeds, and returns its output.
fn said(dir: &Path, args: &[&str]) -> String {
    let (output, _) = ended(good(dir).args(args));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{args:?}");
    assert!(!said.contains(SECRET), "{args:?}: {said}");
    said
}

#[test]
fn help_and_version_are_answered_without_a_secret_in_sight() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["-h"], &["serve", "--help"]] {
        let said = said(dir.path(), args);
        for setting in ["LISTEN_ADDR", "DATABASE_URL", "JWT_SECRET", "JWT_SECRET_FILE", "ALLOW_REGISTRATION"] {
            assert!(said.contains(setting), "{args:?}: no {setting}");
        }
    }
    assert_eq!(said(dir.path(), &["--version"]), concat!("countersign ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(!database(dir.path()).exists(), "nothing was made");
}

#[test]
fn the_help_of_a_command_shows_the_settings_that_it_uses() {
    let dir = tempfile::tempdir().unwrap();
    for (args, shown, hidden) in [
        (&["account", "list"][..], &["--limit", "--output", "--env-file", "DATABASE_URL"][..], &["HASH_PARAMS"][..]),
        (&["account", "create"], &["--firm-name", "DATABASE_URL", "HASH_PARAMS", "PASSWORD_POLICY"], &["MAIL_URL"]),
        (&["account", "password"], &["HASH_KERNEL", "BREACHED_PASSWORDS_FILE"], &["MAIL_URL"]),
        (&["account"], &["create", "DATABASE_URL"], &["HASH_PARAMS"]),
        (&["keys", "revoke"], &["DATABASE_URL", "EMAIL_TOKEN_LIFETIME"], &["HASH_PARAMS"]),
        (&["health"], &["--address", "LISTEN_ADDR", "TLS_CERT_FILE"], &["DATABASE_URL"]),
        (&["calibrate"], &["--target", "HASH_THREADS"], &["DATABASE_URL"]),
        (&["migrate-store"], &["--from"], &["DATABASE_URL_FILE", "--env-file"]),
    ] {
        let said = said(dir.path(), &[args, &["--help"]].concat());
        for part in shown {
            assert!(said.contains(part), "{args:?}: no {part}");
        }
        for part in [hidden, &["LISTEN_ADDR", "JWT_SECRET", "MAX_CALLS"]].concat() {
            assert!(!said.contains(part) || shown.contains(&part), "{args:?}: {part}");
        }
        assert!(said.contains("`countersign serve --help` lists all settings"), "{args:?}");
        assert!(said.lines().count() < 100, "{args:?}: {} lines", said.lines().count());
    }
}

#[test]
fn a_manual_page_is_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("man");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.to_str().unwrap();
    assert_eq!(said(dir.path(), &["manual", path]), "");
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(page("countersign-serve.1").contains("JWT_SECRET"));
    let list = page("countersign-account-list.1");
    assert!(list.contains("DATABASE_URL") && !list.contains("JWT_SECRET"), "{list}");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(".SH NAME") && !text.contains(SECRET), "{}", path.display());
        // man-db reads the title of each page as people will search for it.
        if let Ok(read) = Command::new("lexgrog").arg(&path).output() {
            assert!(read.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&read.stdout));
        }
    }
    let missing = dir.path().join("missing");
    let mut command = good(dir.path());
    ends("no folder", command.arg("manual").arg(&missing), 1, &["cannot write the manual pages to", "missing"]);
}
