//! The operator's file of breached passwords: every form of the file works with every policy, an error in it is named,
//! and no password is accepted while it cannot be read.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use countersign::breaches::{Breaches, BreachesError, Fingerprint, build};
use countersign::domain::{NewPassword, PasswordContext, PasswordPolicy, PolicyPreset};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

use crate::settings::{good, refuses};
use crate::support::binary::{command, run};
use crate::support::{Binary, SECRET, TestApp};

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

/// A password that is in every list here.
const BREACHED: &str = "correct horse battery";
/// A password that is in no list.
const FINE: &str = "correct horse battery staple";

fn password(text: &str) -> NewPassword {
    let policy = PasswordPolicy::new(PolicyPreset::Contract, None).unwrap();
    NewPassword::parse(text.to_owned(), &policy, &PasswordContext::of_username(None)).unwrap()
}

fn sha1(text: &str) -> String {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// `password 0` to `password N-1` and [`BREACHED`], each as a line in `form`.
fn list(count: usize, form: impl Fn(&str) -> String) -> String {
    let mut hashes: Vec<_> =
        (0..count).map(|number| sha1(&format!("password {number}"))).chain([sha1(BREACHED)]).collect();
    hashes.sort();
    hashes.iter().map(|hash| form(hash)).collect()
}

fn published(hash: &str) -> String {
    format!("{hash}:{}\r\n", u64::from_str_radix(&hash[..5], 16).unwrap())
}

fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path
}

async fn contains(breaches: &Breaches, text: &str) -> bool {
    breaches.contain(&password(text)).await.unwrap()
}

#[tokio::test]
async fn what_is_in_a_list_is_found_in_each_of_its_forms_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let plain = |hash: &str| format!("{hash}\n");
    for count in [0, 1, 2, 94, 95, 96, 97, 98, 99, 1_000, 20_000] {
        let mut forms = vec![
            file(dir.path(), "upper", list(count, plain)),
            file(dir.path(), "lower", list(count, |hash| plain(&hash.to_lowercase()))),
            file(dir.path(), "published", list(count, published)),
            file(dir.path(), "no break at the end", list(count, plain).trim_end()),
            file(dir.path(), "twice", list(count, |hash| plain(hash).repeat(2))),
        ];
        for (name, fingerprint) in [("8", Fingerprint::Bits8), ("16", Fingerprint::Bits16)] {
            let filter = dir.path().join(format!("filter {name} of {count}"));
            let input = if count % 2 == 0 { &forms[2] } else { &forms[4] };
            assert_eq!(build(input, &filter, fingerprint, |_, _| CONTINUE).unwrap().passwords, count as u64 + 1);
            forms.push(filter);
        }
        for path in forms {
            let breaches = Breaches::open(&path).unwrap();
            let name = path.display();
            assert!(contains(&breaches, BREACHED).await, "{name} {count}");
            for number in (0..count).step_by(1 + count / 100) {
                assert!(contains(&breaches, &format!("password {number}")).await, "{name} {number} of {count}");
            }
            let mut wrong = 0;
            for number in 0..100 {
                wrong += usize::from(contains(&breaches, &format!("another {number}")).await);
            }
            let bearable = if name.to_string().contains("filter 8") { 5 } else { 0 };
            assert!(wrong <= bearable, "{name} of {count}: {wrong} of 100 others");
        }
    }
}

#[tokio::test]
async fn a_filter_takes_as_many_others_for_breached_ones_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let list = file(dir.path(), "list", list(50_000, published));
    for (fingerprint, bytes) in [(Fingerprint::Bits8, 1.4), (Fingerprint::Bits16, 2.8)] {
        let filter = dir.path().join(format!("{}", fingerprint.bits()));
        let mut told = Vec::new();
        let built = build(&list, &filter, fingerprint, |read, all| {
            told.push((read, all));
            CONTINUE
        })
        .unwrap();
        assert_eq!(built.bytes, fs::metadata(&filter).unwrap().len());
        assert!((built.bytes as f64) < bytes * 50_000.0, "{} bytes", built.bytes);
        assert!(told.is_sorted() && told.last().is_some_and(|(read, all)| read == all), "{told:?}");
        let breaches = Breaches::open(&filter).unwrap();
        let mut wrong = 0;
        for number in 0..8_000 {
            wrong += usize::from(contains(&breaches, &format!("another {number}")).await);
        }
        // With 8 bits 31 false matches are to be expected, with 16 bits 0.12. The passwords are the same in every run.
        let expected = if fingerprint == Fingerprint::Bits8 { 10..70 } else { 0..4 };
        assert!(expected.contains(&wrong), "{} bits: {wrong}", fingerprint.bits());
    }
}

#[test]
fn a_filter_that_is_stopped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let list = file(dir.path(), "list", list(50_000, published));
    let stopped = build(&list, &dir.path().join("filter"), Fingerprint::Bits16, |_, _| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(BreachesError::Stopped)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_large_list_is_looked_at_in_places() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> =
        (0..420_000_u32).map(|number| format!("{:08X}{:032X}\n", number * 10_000, number)).collect();
    let sorted = lines.concat();
    assert!(sorted.len() > 16 << 20);
    let path = file(dir.path(), "large", &sorted);
    let breaches = Breaches::open(&path).unwrap();
    assert!(!contains(&breaches, BREACHED).await);
    let mut with = lines.clone();
    with.push(format!("{}\n", sha1(BREACHED)));
    with.sort();
    assert!(contains(&Breaches::open(&file(dir.path(), "with", with.concat())).unwrap(), BREACHED).await);

    let halves = [&lines[210_000..], &lines[..210_000]].concat().concat();
    let error = Breaches::open(&file(dir.path(), "halves", halves)).unwrap_err();
    assert!(matches!(error, BreachesError::Unsorted { line: 210_001..211_000, .. }), "{error}");
    let cut = Breaches::open(&file(dir.path(), "cut", &sorted[..sorted.len() - 5])).unwrap_err();
    assert!(matches!(cut, BreachesError::Malformed { line: 420_000, .. }), "{cut}");
    let other = Breaches::open(&file(dir.path(), "other", vec![b'x'; 17 << 20])).unwrap_err();
    assert!(matches!(other, BreachesError::Malformed { line: 1, .. }), "{other}");
}

#[tokio::test]
async fn both_dialects_and_the_command_line_refuse_a_breached_password_whatever_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let list = file(dir.path(), "list", list(1_000, published));
    let filter = dir.path().join("filter");
    build(&list, &filter, Fingerprint::Bits16, |_, _| CONTINUE).unwrap();
    for (path, policy) in [(&list, "contract"), (&filter, "asvs-l1"), (&list, "nist-800-63b-4")] {
        let flags = [format!("--breached-passwords-file={}", path.display()), format!("--password-policy={policy}")];
        let app = TestApp::with(&[&flags[0], &flags[1]]).await;
        let username = |password: &str| json!({ "username": "alice", "password": password });
        let message = "\"password\" is known from a data breach: choose another";
        let body = json!({ "statusCode": 422, "error": "Unprocessable Entity", "message": message });
        app.post("/api/auth/register", &username(BREACHED)).await.assert(policy, 422, &[], &body);
        let email = |password: &str| json!({ "email": "ada@example.com", "password": password, "name": "Ada", "firm_name": "Acme" });
        let answer = app.post("/auth/register", &email(BREACHED)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "password"]));
        assert_eq!(app.hasher.runs(), 0, "nothing was hashed");
        assert_eq!(app.post("/api/auth/register", &username(FINE)).await.status, StatusCode::OK);
        assert_eq!(app.post("/auth/register", &email(FINE)).await.status, StatusCode::CREATED);

        let mut create = command(dir.path());
        create.env("BREACHED_PASSWORDS_FILE", path).env("PASSWORD_POLICY", policy).args(["account", "create", "bob"]);
        let output = run(&mut create, BREACHED);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the password is known from a data breach: choose another"), "{said}");
    }
}

#[tokio::test]
async fn whoever_had_a_breached_password_before_still_signs_in() {
    let dir = tempfile::tempdir().unwrap();
    let list = file(dir.path(), "list", list(10, published));
    let alice = json!({ "username": "alice", "password": BREACHED });
    let app = TestApp::start().await;
    assert_eq!(app.post("/api/auth/register", &alice).await.status, StatusCode::OK);
    let app = app.restart(&[&format!("--breached-passwords-file={}", list.display())]).await;
    assert_eq!(app.post("/api/auth/login", &alice).await.status, StatusCode::OK);
}

#[tokio::test]
async fn while_the_file_cannot_be_read_no_password_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let whole = list(1_000, published);
    let list = file(dir.path(), "list", &whole);
    let filter = dir.path().join("filter");
    build(&list, &filter, Fingerprint::Bits8, |_, _| CONTINUE).unwrap();
    let good_filter = fs::read(&filter).unwrap();
    for (path, good) in [(&list, whole.into_bytes()), (&filter, good_filter)] {
        let app = TestApp::with(&[&format!("--breached-passwords-file={}", path.display())]).await;
        let alice = json!({ "username": "alice", "password": FINE });
        let ada = json!({ "email": "ada@example.com", "password": FINE, "name": "Ada", "firm_name": "Acme" });
        let open = fs::OpenOptions::new().write(true).open(path).unwrap();
        let half = good.len() as u64 / 2;
        for damage in ["cut off", "overwritten"] {
            match damage {
                "cut off" => open.set_len(half).unwrap(),
                _ => open.write_all_at(&vec![b'x'; good.len()], 0).unwrap(),
            }
            for (route, body) in [("/api/auth/register", &alice), ("/auth/register", &ada)] {
                let answer = app.post(route, body).await;
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{damage} {route}");
                let said = String::from_utf8_lossy(&answer.body);
                assert!(!said.contains("list") && !said.contains("filter"), "no path: {said}");
            }
            assert_eq!(app.hasher.runs(), 0, "nothing was hashed");
        }
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&good, 0).unwrap();
        assert_eq!(app.post("/api/auth/register", &alice).await.status, StatusCode::OK, "as soon as it is back");
    }
}

#[test]
fn a_file_that_is_of_no_use_stops_the_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (line, next) = (sha1(BREACHED), "F".repeat(40));
    let list = file(dir.path(), "list", list(1_000, published));
    let filter = dir.path().join("filter");
    build(&list, &filter, Fingerprint::Bits16, |_, _| CONTINUE).unwrap();
    let whole = fs::read(&filter).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let again = "build it again with `countersign passwords build-filter`";
    for (name, content, part) in [
        ("empty", Vec::new(), "is empty"),
        ("words", b"password\n".to_vec(), "line 1: must be a SHA-1 in hexadecimal (40 digits)"),
        ("bad third", format!("{line}\n{line}:3\n{line}:\n").into_bytes(), "line 3: must be a SHA-1"),
        ("blank line", format!("{line}\n\n{next}\n").into_bytes(), "line 2: must be a SHA-1"),
        ("cut", format!("{line}\n{}", &next[..39]).into_bytes(), "line 2: must be a SHA-1"),
        ("unsorted", format!("{line}\n{next}\r\n{line}\n").into_bytes(), "line 3: comes before the line above it"),
        ("ntlm", format!("{}:5\n", &line[..32]).into_bytes(), "line 1: must be a SHA-1"),
        ("one long line", vec![b'a'; 100_000], "line 1: must be a SHA-1"),
        ("another version", changed(8, 2), "is a filter of version 2, and this program reads version 1"),
        ("cut filter", whole[..whole.len() - 1].to_vec(), again),
        ("beginning of a filter", whole[..10].to_vec(), again),
        ("half a table", whole[..110].to_vec(), again),
        ("changed header", changed(20, 0), again),
        ("changed table", changed(105, whole[105] ^ 1), again),
    ] {
        let path = file(dir.path(), name, content);
        let mut command = good(dir.path());
        command.env("BREACHED_PASSWORDS_FILE", &path);
        refuses(name, &mut command, &["BREACHED_PASSWORDS_FILE: ", path.to_str().unwrap(), part]);
    }
    for (path, part) in [("nowhere/list", "cannot read nowhere/list: No such file"), ("/", "cannot read /: ")] {
        refuses(path, good(dir.path()).env("BREACHED_PASSWORDS_FILE", path), &["BREACHED_PASSWORDS_FILE: ", part]);
    }
}

#[tokio::test]
async fn the_command_line_builds_a_filter_that_the_server_takes() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "list", list(2_000, published));
    file(dir.path(), "broken", format!("{}\nno hash\n", sha1(BREACHED)));
    file(dir.path(), "unsorted", format!("{}\n{}\n", "F".repeat(40), sha1(BREACHED)));
    file(dir.path(), "empty", "");
    let build = |args: &[&str]| {
        let output = run(command(dir.path()).args(["passwords", "build-filter"]).args(args), "");
        let (said, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code(), said, complaint)
    };
    let (code, said, complaint) = build(&["list", "filter"]);
    assert_eq!((code, &*complaint), (Some(0), ""), "no progress where there is no terminal");
    assert!(said.contains("made filter of list") && said.contains("passwords  2001"), "{said}");
    assert!(said.contains("one in 65536") && said.contains("BREACHED_PASSWORDS_FILE"), "{said}");
    let (code, said, _) = build(&["list", "small", "--bits=8"]);
    assert!(code == Some(0) && said.contains("one in 256"), "{said}");
    let size = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
    assert!(size("small") < size("filter"));
    for (args, expected, part) in [
        (&["list", "filter"][..], 1, "filter exists already: remove it, or name another file"),
        (&["broken", "new"], 1, "broken, line 2: must be a SHA-1 in hexadecimal"),
        (&["unsorted", "new"], 1, "unsorted, line 2: comes before the line above it"),
        (&["empty", "new"], 1, "empty is empty"),
        (&["nowhere", "new"], 1, "cannot read nowhere"),
        (&["list", "nowhere/new"], 1, "cannot write nowhere/new.part"),
        (&["filter", "new"], 1, "filter, line 1: must be a SHA-1"),
        (&["list", "new", "--bits=12"], 2, "--bits"),
        (&["list"], 2, "OUTPUT"),
    ] {
        let (code, said, complaint) = build(args);
        assert_eq!((code, &*said), (Some(expected), ""), "{args:?}: {complaint}");
        assert!(complaint.contains(part), "{args:?}: {complaint}");
    }
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "new" && !name.to_string_lossy().ends_with(".part")), "{left:?}");

    let mut server = command(dir.path());
    server.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true").env("BREACHED_PASSWORDS_FILE", "filter");
    let binary = Binary::spawn(&mut server);
    for (password, status) in [(BREACHED, StatusCode::UNPROCESSABLE_ENTITY), (FINE, StatusCode::OK)] {
        let body = json!({ "username": "alice", "password": password });
        let answer = crate::support::http::call(binary.address, http::Method::POST, "/api/auth/register", &[], &body);
        assert_eq!(answer.await.unwrap().status, status, "{password}");
    }
    let log = binary.log.lock().unwrap().clone();
    assert!(!log.contains(BREACHED) && !log.contains(&sha1(BREACHED)), "{log}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'A'), Just(b'0'), any::<u8>()], 1..400),
        magic in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let content = if magic { [&b"CSBREACH\x01\0\0\0"[..], &bytes].concat() } else { bytes };
        let _ = Breaches::open(&file(dir.path(), "any", content));
    }

    #[test]
    fn no_damage_of_a_filter_makes_it_panic_or_answer(at in any::<prop::sample::Index>(), byte in 1_u8..) {
        let dir = tempfile::tempdir().unwrap();
        let list = file(dir.path(), "list", list(40, published));
        let filter = dir.path().join("filter");
        build(&list, &filter, Fingerprint::Bits16, |_, _| CONTINUE).unwrap();
        let open = Breaches::open(&filter).unwrap();
        let mut bytes = fs::read(&filter).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
        fs::OpenOptions::new().write(true).open(&filter).unwrap().write_all_at(&bytes, 0).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(open.contain(&password(BREACHED)));
        // The bytes before the table were already read when the file was opened.
        prop_assert_eq!(found.is_err(), at >= 100, "byte {}", at);
    }
}
