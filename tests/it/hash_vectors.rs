//! Stored hashes that the libraries of other systems made at their newest versions: `tests/data/hash_vectors.ndjson`.
//! Each is imported as it stands, takes its own password and refuses others. The short form, which every run has,
//! leaves out the dear ones, which `cargo test --test it hash_vectors -- --ignored` tries with one wrong password each.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use argon2::Params;
use argon2_kernel::Kernel;
use countersign::domain::Password;
use countersign::domain::password_hash::{HashTerms, PasswordHash, SinglePasses};
use countersign::hashing::{PasswordHasher, Turn};
use futures_util::future::{join, join_all};
use serde::Deserialize;

/// The cost up to which the short form tries a hash.
const CHEAP: u64 = 20_000;

const VECTORS: &str = include_str!("../data/hash_vectors.ndjson");

#[derive(Deserialize)]
struct Vector {
    system: String,
    version: String,
    password: String,
    stored: String,
}

/// Systems with hashes that are refused at the import, and why.
const REFUSED: [(&str, &str); 9] = [
    ("libpass fshp", "no library computes it, and no system of the list has it"),
    ("libpass apr_md5_crypt", "a thousand passes of MD5, of files for web servers"),
    ("mkpasswd md5crypt", "a thousand passes of MD5, of files for logins"),
    ("mkpasswd scrypt", "no well-kept library reads this spelling"),
    ("Dovecot SCRAM-SHA-256", "keys that are derived from the hash, and not the hash"),
    ("Keycloak argon2 secretData literally", "one column of two"),
    ("Keycloak pbkdf2-sha256 secretData literally", "one column of two"),
    ("Keycloak pbkdf2-sha512 secretData literally", "one column of two"),
    ("Firebase passwordHash literally", "the keys of the project are elsewhere"),
];

/// Systems with hashes that are taken, and look like those of another maker: most of their passwords are refused.
const NOT_TOLD: [(&str, &str); 2] =
    [("Devise pepper", "the pepper is elsewhere"), ("Meteor (bcrypt of sha256 hex)", "taken with --hex-sha256")];

fn vectors() -> Vec<Vector> {
    VECTORS.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Tries every vector whose cost is in `work`, and returns what did not come out as it must.
async fn failures(work: RangeInclusive<u64>, wrong_passwords: usize) -> Vec<String> {
    let kernel = Kernel::choose().unwrap().kernel;
    let hasher = PasswordHasher::start(Params::new(8, 1, 1, None).unwrap(), kernel, 2, 4).unwrap();
    let terms = HashTerms { single_passes: SinglePasses::All, ..HashTerms::default() };
    let mut failures = Vec::new();
    for Vector { system, version, password, stored } in vectors() {
        let name = format!("{system} ({version}) {}", &password.escape_unicode().to_string()[..6]);
        let hash = match PasswordHash::import_on(&stored, &terms) {
            Ok(hash) => hash,
            Err(error) => {
                if !REFUSED.iter().any(|(refused, _)| *refused == system) {
                    failures.push(format!("{name}: {error}"));
                }
                continue;
            }
        };
        if !work.contains(&hash.work()) {
            continue;
        }
        let verify = async |password: &str| {
            let password = Password::parse(password.to_owned(), 1).unwrap();
            let turn = Turn { client: None, deadline: Instant::now() + Duration::from_secs(60) };
            hasher.verify(&password, Some(&hash), turn).await.unwrap().matches
        };
        let is_told = !NOT_TOLD.iter().any(|(maker, _)| *maker == system);
        let shortened: String = password.chars().take(password.chars().count() / 2).collect();
        let wrong = [password.to_uppercase() + "x", shortened, format!("x{password}")];
        let verified = async |wrong: String| (verify(&wrong).await, wrong);
        let right = async { !is_told || verify(&password).await };
        let (right, wrong) = join(right, join_all(wrong.into_iter().take(wrong_passwords).map(verified))).await;
        if !right {
            failures.push(format!("{name}: the right password"));
        }
        failures.extend(wrong.into_iter().filter(|(taken, _)| *taken).map(|(_, wrong)| format!("{name}: {wrong}")));
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_other_systems_are_taken_as_they_stand() {
    assert_eq!(failures(0..=CHEAP, 3).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: the step hash-vectors runs it"]
async fn hashes_of_other_systems_that_take_long_are_taken_too() {
    assert_eq!(failures(CHEAP + 1..=u64::MAX, 1).await, [""; 0]);
}
