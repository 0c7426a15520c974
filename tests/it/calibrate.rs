//! `countersign calibrate` as the real binary: the setting that it recommends can be used.

use std::path::Path;
use std::process::Output;

use crate::support::binary::{command, run};
use crate::support::{Binary, SECRET};

/// Its output: the rows of the table and the line of the setting.
fn calibrate(dir: &Path, target: &str) -> (Vec<String>, String) {
    let args = ["calibrate", "--within=1s", "--target", target];
    let Output { status, stdout, stderr } = run(command(dir).env("HASH_THREADS", "2").args(args), "");
    let (said, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!((status.code(), &*complaint), (Some(0), ""), "{said}");
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("threads that hash at once: 2, with the kernel "), "{said}");
    let rows: Vec<_> = lines[2..].iter().take_while(|line| !line.is_empty()).cloned().collect();
    let [line, why] = &lines[3 + rows.len()..] else { panic!("{said}") };
    assert!(why.ends_with('.') && why.contains(target.trim_end_matches("ms")), "{said}");
    (rows, line.clone())
}

#[test]
fn calibrate_measures_and_recommends_what_the_server_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let (rows, line) = calibrate(dir.path(), "10000ms");
    for row in &rows {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [params, ms, all, one, _, "MiB"] = columns[..] else { panic!("{row}") };
        let [ms, all, one]: [f64; 3] = [ms, all, one].map(|number| number.parse().unwrap());
        assert!(params.starts_with("m=") && ms > 0.0 && all > 0.0 && one > 0.0, "{row}");
    }
    assert!(!rows.is_empty());
    let (name, value) = line.split_once('=').unwrap();
    assert_eq!(name, "HASH_PARAMS");
    Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env(name, value));

    let (_, line) = calibrate(dir.path(), "1ms");
    assert_eq!(line, "HASH_PARAMS=m=19456,t=2,p=1", "never below it");
}
