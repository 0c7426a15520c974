//! The commands of `docs/replicas.md` start a replica. Only the addresses, the user and the paths of the secrets are
//! those of the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::binary::{Binary, program};
use crate::support::postgres::{Database, PASSWORD};
use crate::support::{SECRET, skip};

/// Writes a file that only its owner may read.
fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_start_a_replica() {
    let Some(database) = Database::create().await else { return };
    let Some(certificate) = database.certificate() else {
        skip::skip_for_privileges("certificate of its PostgreSQL server");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url = database.url_as("owner", "superuser").await.replacen(&format!(":{PASSWORD}@"), "@", 1);
    let passwords = secret(&dir.path().join("pgpass"), &format!("*:*:*:*:{PASSWORD}\n"));
    let jwt = secret(&dir.path().join("jwt"), SECRET);
    let page = fs::read_to_string("docs/replicas.md").unwrap();
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it is in the page");
    let ours = [
        ("postgres://countersign@db.example.com/countersign?", Database::with(&url, "")),
        ("sslmode=verify-full", format!("sslmode=verify-full&sslrootcert={}", certificate.display())),
        ("/run/secrets/pgpass", passwords),
        ("/run/secrets/jwt", jwt),
        ("0.0.0.0:3008", "0.0.0.0:0".to_owned()),
        // The shell gives its place to the server, which the test then ends.
        ("\ncountersign ", "\nexec countersign ".to_owned()),
    ];
    let commands = ours.iter().fold(block.to_owned(), |block, (written, ours)| {
        assert_eq!(block.matches(written).count(), 1, "{written}");
        block.replace(written, ours)
    });
    let mut bash = Command::new("bash");
    let path = format!("{}:/usr/bin:/bin", program().parent().unwrap().display());
    bash.args(["-euc", &commands]).current_dir(dir.path()).env_clear().env("PATH", path);
    let mut replica = Binary::spawn(&mut bash);
    replica.terminate();
    assert!(replica.ended().success(), "{}", replica.log.lock().unwrap());
}
