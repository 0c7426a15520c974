//! The settings of TLS as the operator sees them. Separate from `settings` because each names a file, and the files
//! must match each other.

use std::time::Duration;

use countersign_guard::clock::{Clock as _, SystemClock};

use crate::settings::{good, refuses};
use crate::sockets::SOON;
use crate::support::Binary;
use crate::support::tls::{Authority, Files, connect, shown};
use crate::wire::eventually;

#[test]
fn files_of_tls_that_cannot_work_stop_the_start_and_the_setting_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (pair, other) = (Authority::new().sign(), Authority::new().sign());
    for (name, text) in [
        ("cert", &*pair.cert),
        ("key", &*pair.key),
        ("other-key", &*other.key),
        ("chain", &format!("{}{}", other.cert, pair.cert)),
        ("both", &format!("{}{}", pair.key, pair.cert)),
        ("half", &pair.cert[..pair.cert.len() / 2]),
        ("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("odd-key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"),
        ("odd-cert", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
        ("empty", ""),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    for (cert, key, client_ca, parts) in [
        ("cert", "", "", ["TLS_CERT_FILE is set and TLS_KEY_FILE is not", "set TLS_CERT_FILE and TLS_KEY_FILE"]),
        ("", "key", "", ["TLS_KEY_FILE is set and TLS_CERT_FILE is not", "set TLS_CERT_FILE and TLS_KEY_FILE"]),
        ("", "", "cert", ["TLS_CLIENT_CA_FILE is set and TLS_CERT_FILE is not", "or no setting of TLS"]),
        ("missing", "key", "", ["cannot read TLS_CERT_FILE (missing)", "name a file in PEM form"]),
        ("cert", "missing", "", ["cannot read TLS_KEY_FILE (missing)", "name a file in PEM form"]),
        ("cert", "key", ".", ["cannot read TLS_CLIENT_CA_FILE (.)", "name a file in PEM form"]),
        ("/dev/zero", "key", "", ["cannot read TLS_CERT_FILE (/dev/zero)", "it is no regular file"]),
        ("key", "cert", "", ["TLS_KEY_FILE (cert) holds no private key", "-----BEGIN PRIVATE KEY-----"]),
        ("key", "key", "", ["TLS_CERT_FILE (key) holds no certificate", "-----BEGIN CERTIFICATE-----"]),
        ("empty", "key", "", ["TLS_CERT_FILE (empty)", "-----BEGIN CERTIFICATE-----"]),
        ("half", "key", "", ["TLS_CERT_FILE (half)", "make it anew"]),
        ("odd-cert", "key", "", ["TLS_CERT_FILE (odd-cert)", "make it anew"]),
        ("cert", "odd-key", "", ["TLS_KEY_FILE (odd-key)", "make it anew"]),
        ("cert", "locked", "", ["TLS_KEY_FILE (locked) holds no private key without a password", "-----BEGIN"]),
        (
            "cert",
            "other-key",
            "",
            ["TLS_KEY_FILE (other-key) is not the key", "name the key that belongs to the certificate"],
        ),
        ("chain", "key", "", ["TLS_KEY_FILE (key) is not the key", "put the server's own certificate first"]),
        ("cert", "key", "key", ["TLS_CLIENT_CA_FILE (key) holds no certificate", "-----BEGIN CERTIFICATE-----"]),
        ("cert", "key", "odd-cert", ["TLS_CLIENT_CA_FILE (odd-cert)", "make it anew"]),
    ] {
        let mut command = good(dir.path());
        let settings = [("TLS_CERT_FILE", cert), ("TLS_KEY_FILE", key), ("TLS_CLIENT_CA_FILE", client_ca)];
        command.envs(settings.into_iter().filter(|(_, file)| !file.is_empty()));
        refuses(&format!("{cert}, {key}, {client_ca}"), &mut command, &parts);
    }
    refuses("a misspelt one", good(dir.path()).env("TLS_CERTFILE", "cert"), &["did you mean TLS_CERT_FILE?"]);
    refuses("one without its end", good(dir.path()).env("TLS_CERT", "cert"), &["did you mean TLS_CERT_FILE?"]);
    refuses("an empty one", good(dir.path()).env("TLS_CERT_FILE", ""), &["tls-cert-file"]);

    // Matching files start the server, in either order within one file, and beside sections with similar names of other
    // programs. The log names the protocol.
    let mut command = good(dir.path());
    command.env("TLS_CERT_FILE", "both").env("TLS_KEY_FILE", "both").env("SSL_CERT_FILE", "elsewhere");
    let binary = Binary::spawn(&mut command);
    let url = format!("\"url\":\"https://{}\"", binary.address);
    assert!(binary.log.lock().unwrap().contains(&url), "{}", binary.log.lock().unwrap());
}

#[tokio::test]
async fn the_log_tells_once_of_what_was_replaced_of_what_could_not_be_and_of_failed_handshakes() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let files = Files::write(dir.path(), &authority.sign());
    let mut binary = Binary::spawn(good(dir.path()).args(files.flags()));
    let said = |part: &str| binary.log.lock().unwrap().matches(part).count();
    let first = shown(&connect(binary.address, &authority.client()).await.unwrap());

    let new = authority.sign();
    std::fs::write(&files.cert, &new.cert).unwrap();
    assert!(eventually(SOON, async || said("\"result\":\"kept\"") == 1).await);
    assert_eq!(said("TLS_KEY_FILE ("), 1, "why");
    assert!(connect(binary.address, &Authority::new().client()).await.is_err());
    assert!(eventually(SOON, async || said("\"result\":\"failed\",\"times\":1") == 1).await);
    assert_eq!(shown(&connect(binary.address, &authority.client()).await.unwrap()), first);
    std::fs::write(&files.key, &new.key).unwrap();
    assert!(eventually(SOON, async || said("\"result\":\"reloaded\"") == 1).await);
    assert_ne!(shown(&connect(binary.address, &authority.client()).await.unwrap()), first);

    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap();
    for part in ["reloaded", "kept", "failed"] {
        assert_eq!(log.matches(&format!("\"result\":\"{part}\"")).count(), 1, "{part}: {log}");
    }
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_soon_will_is_told_at_the_start_and_when_it_is_replaced() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let in_days = |days: u64| SystemClock.now() + Duration::from_secs(days * 86_400);
    let files = Files::write(dir.path(), &authority.sign_until(in_days(10)));
    let binary = Binary::spawn(good(dir.path()).args(files.flags()));
    let said = async |part: &str| eventually(SOON, async || binary.log.lock().unwrap().contains(part)).await;
    assert!(said("\"result\":\"expires soon\"").await && said("\"days\":9").await);
    // SIGHUP reads the files at once.
    for (ends, reloaded) in [(rcgen::date_time_ymd(2021, 1, 1), 1), (in_days(100), 2)] {
        Files::write(dir.path(), &authority.sign_until(ends));
        binary.signal("-HUP");
        let times = || binary.log.lock().unwrap().matches("\"result\":\"reloaded\"").count();
        assert!(eventually(SOON, async || times() == reloaded).await, "{}", binary.log.lock().unwrap());
    }
    assert!(said("\"result\":\"expired\"").await);
    binary.signal("-HUP");
    assert!(said("\"result\":\"unchanged\"").await);
    let log = binary.log.lock().unwrap();
    assert_eq!(log.matches("\"result\":\"expires soon\"").count(), 1, "once a day: {log}");
    assert!(log.contains("2021-01-01T00:00:00Z") && log.contains("TLS_CERT_FILE has expired"), "{log}");
    assert!(log.contains("SIGHUP: the files of TLS are read again; settings need a restart"), "{log}");
}
