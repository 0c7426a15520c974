//! The address of a PostgreSQL server as operators write it: in a file, with IPv6 and libpq's parameters, to a server
//! that is not up yet, to a database of another encoding, and with a password file that cannot be used.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener as Listener, TcpStream};
use tokio::time::Instant;

use crate::settings::{ends, good, refuses};
use crate::support::Binary;
use crate::support::binary::run;
use crate::support::postgres::{Database, PASSWORD};

fn server(dir: &Path, url: &str) -> Command {
    let mut command = good(dir);
    command.env("DATABASE_URL", url).env("DATABASE_WAIT", "0s");
    command
}

/// The address of a server, taken apart: before the host, host and port, and after the port.
fn parts(url: &str) -> (String, String, String) {
    let (user, rest) = url.split_once('@').unwrap();
    let (place, rest) = rest.split_once('/').unwrap();
    (user.to_owned(), place.to_owned(), rest.to_owned())
}

/// Passes the connections of `listener` on to `place`.
async fn pass_on(listener: Listener, place: String) {
    while let Ok((mut client, _)) = listener.accept().await {
        let place = place.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(place).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_stand_in_a_file_with_ipv6_and_the_parameters_of_other_programs() {
    let Some(database) = Database::create().await else { return };
    let (user, place, rest) = parts(&database.url());
    let Ok(listener) = Listener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(pass_on(listener, place));
    let dir = tempfile::tempdir().unwrap();
    let parameters = "connect_timeout=20&target_session_attrs=read-write&channel_binding=prefer&keepalives=1";
    let url = Database::with(&format!("{user}@[::1]:{port}/{rest}"), parameters);
    let file = dir.path().join("url");
    fs::write(&file, url + "\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let in_file = |mut command: Command| {
        command.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &file);
        command
    };
    let mut binary = Binary::spawn(&mut in_file(good(dir.path())));
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap().clone();
    assert!(log.contains("\"parameters\":\"keepalives\"") && !log.contains("connect_timeout"), "{log}");
    assert!(run(in_file(good(dir.path())).args(["account", "list"]), "").status.success());

    refuses("both", good(dir.path()).env("DATABASE_URL_FILE", &file), &["--database-url-file"]);
    let mut none = good(dir.path());
    none.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", "nowhere");
    refuses("no file", &mut none, &["cannot read DATABASE_URL_FILE (nowhere)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_up_later_is_waited_for_and_one_that_never_is_ends_the_start_with_another_code() {
    let Some(database) = Database::create().await else { return };
    let (user, place, rest) = parts(&database.url());
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens on the port after this.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("{user}@127.0.0.1:{port}/{rest}");
    let said = ["cannot reach the database", "check DATABASE_URL"];
    ends("at once", &mut server(dir.path(), &url), 1, &said);
    let begun = Instant::now();
    ends("in time", server(dir.path(), &url).env("DATABASE_WAIT", "1s"), 1, &said);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());

    // A signal does not wait for the database.
    let mut awaiting = server(dir.path(), &url).env("DATABASE_WAIT", "600s").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(awaiting.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("trying again")));
    let process = Pid::from_child(&awaiting);
    kill_process(process, Signal::HUP).unwrap();
    assert!(lines.any(|line| line.contains("SIGHUP: nothing is read again")));
    kill_process(process, Signal::TERM).unwrap();
    assert!(lines.any(|line| line.contains("before it served anything")));
    assert!(awaiting.wait().unwrap().success());

    let mut late = server(dir.path(), &url);
    late.env("DATABASE_WAIT", "30s");
    let starting = tokio::task::spawn_blocking(move || Binary::spawn(&mut late));
    // The start has found nobody by then, or will find the server at once: both must do.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!starting.is_finished());
    let listener = Listener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(pass_on(listener, place));
    let mut binary = starting.await.unwrap();
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap().clone();
    assert!(log.contains("cannot reach the database") && log.contains("trying again for 30 s"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_store_every_character_is_refused() {
    let Some(database) = Database::create().await else { return };
    let name = format!("{}_latin", database.name);
    database.admin(&format!("create database {name} encoding 'LATIN1' locale 'C' template template0")).await;
    let dir = tempfile::tempdir().unwrap();
    let url = database.url().replace(&database.name, &name);
    refuses(
        "latin",
        &mut server(dir.path(), &url),
        &["has the encoding LATIN1", "needs UTF8", "createdb --encoding=UTF8"],
    );
    database.admin(&format!("drop database {name} with (force)")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_file_that_is_not_used_is_named_with_the_reason() {
    let Some(database) = Database::create().await else { return };
    let (user, place, rest) = parts(&database.url_as("owner", "superuser").await);
    let (user, _) = user.rsplit_once(':').unwrap();
    let url = format!("{user}@{place}/{rest}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pgpass");
    fs::write(&file, format!("*:*:*:*:{PASSWORD}\n")).unwrap();
    let mut command = server(dir.path(), &url);
    command.env("PGPASSFILE", &file);
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    refuses("0444", &mut command, &["PGPASSFILE", "(mode 0444)", "chmod 600", "DATABASE_URL_FILE"]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    drop(Binary::spawn(&mut command));
    fs::write(&file, "*:*:*:*:a wrong one\n").unwrap();
    refuses("a wrong password", &mut command, &["refused the user", "check the user and the password"]);
    fs::remove_file(&file).unwrap();
    refuses("no file", &mut command, &["the file of PGPASSFILE", "cannot be read: No such file"]);
}
