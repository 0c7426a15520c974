//! The files that packages install agree with the program: the sample of settings and the unit of systemd.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::settings::ends;
use crate::support::binary::command;
use crate::support::skip;

const UNIT: &str = "packaging/systemd/countersign.service";

/// The value of a line of the unit.
fn of_unit(name: &str) -> String {
    let unit = fs::read_to_string(UNIT).unwrap();
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(&format!("{name}=")));
    let value = values.next().unwrap_or_else(|| panic!("{UNIT} has no {name}"));
    assert_eq!(values.next(), None, "{name} stands twice");
    value.to_owned()
}

#[test]
fn every_line_of_the_sample_of_settings_is_accepted_also_without_its_comment_sign() {
    let dir = tempfile::tempdir().unwrap();
    let sample = fs::read_to_string("packaging/countersign.env").unwrap();
    // `# ` begins a sentence, and `#` alone a setting that is not set.
    let lines = sample.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    // A database is named by its address or by the file of its address.
    let lines = lines.filter(|line| !line.starts_with("DATABASE_URL="));
    let settings: Vec<_> = lines.map(|line| line.trim_start_matches('#')).collect();
    assert!(settings.len() > 8, "{settings:?}");
    // Nothing listens there: `127.0.0.1:1` is tcpmux, which no machine serves any more.
    for (name, text) in [("as it is", sample.clone()), ("whole", settings.join("\n"))] {
        let file = dir.path().join("countersign.env");
        fs::write(&file, text.replace("127.0.0.1:3008", "127.0.0.1:1")).unwrap();
        let mut asked = command(dir.path());
        asked.env_remove("LISTEN_ADDR").env_remove("DATABASE_URL").args(["health", "--env-file"]).arg(&file);
        ends(name, &mut asked, 1, &["127.0.0.1:1 cannot be asked"]);
    }
}

#[test]
fn the_unit_gives_the_server_the_time_that_it_needs_and_starts_it_as_it_is_installed() {
    assert_eq!(of_unit("ExecStart"), "/usr/bin/countersign serve --env-file /etc/countersign/countersign.env");
    assert_eq!((of_unit("Type"), of_unit("RestartPreventExitStatus")), ("notify".to_owned(), "2".to_owned()));
    // The longest SHUTDOWN_DELAY is five minutes, and the drain takes ten seconds.
    assert_eq!(of_unit("TimeoutStopSec"), "310s");
    let sample = fs::read_to_string("packaging/countersign.env").unwrap();
    assert!(sample.contains(&format!("sqlite:{}/countersign.db", of_unit("WorkingDirectory"))));
    let package = fs::read_to_string("packaging/nfpm.yaml").unwrap();
    for file in ["/usr/bin/countersign", "/etc/countersign/countersign.env"] {
        assert!(package.contains(&format!("dst: {file}\n")), "{file}");
    }
}

#[test]
fn systemd_finds_the_unit_hardened() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        skip::skip("systemd-analyze");
        return;
    }
    let mut analyze = Command::new("systemd-analyze");
    let output = analyze.args(["security", "--offline=true", "--threshold=20", "--no-pager", UNIT]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
