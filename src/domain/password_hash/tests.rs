//! The texts that are accepted as stored hashes, and the bounds of their cost. `tests/it/stored_hashes.rs` verifies
//! passwords by each.

use argon2::Params;
use proptest::prelude::*;

use super::argon2::FLOORS;
use super::{PasswordHash, Scheme};

const SALT: &str = "c2FsdHNhbHRzYWx0c2FsdA";
const OUTPUT: &str = "CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno";
const BCRYPT: &str = "Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.";

fn parse(text: &str) -> Result<String, String> {
    PasswordHash::parse(text).map(|hash| hash.to_phc()).map_err(|error| error.to_string())
}

fn import(text: &str) -> Result<String, String> {
    PasswordHash::import(text).map(|hash| hash.to_phc()).map_err(|error| error.to_string())
}

#[test]
fn each_scheme_is_taken_as_it_is_written_and_stays_so() {
    for text in [
        format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2i$v=16$m=256,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2id$m=256,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2id$v=19$m=256,t=2,p=1${SALT}$F8L3N7BDvbMFA06fEif7wA"),
        format!("$2a$10${BCRYPT}"),
        format!("$2b$04${BCRYPT}"),
        format!("$2y$14${BCRYPT}"),
        format!("$2y$14${}", &BCRYPT[..52]),
        format!("$bcrypt-trimmed$2b$10${BCRYPT}"),
        format!("$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"),
        format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${OUTPUT}"),
        format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$${OUTPUT}${OUTPUT}"),
        format!("$pbkdf2-sha256$i=2000000,l=32${SALT}${OUTPUT}"),
        format!("$pbkdf2-sha512$i=1${SALT}${OUTPUT}"),
    ] {
        assert_eq!(parse(&text).as_deref(), Ok(text.as_str()));
        assert_eq!(import(&text).as_deref(), Ok(text.as_str()), "what is stored may be imported");
    }
}

#[test]
fn a_stored_hash_cannot_ask_for_more_than_is_bearable() {
    for (beginning, bound) in [
        ("$argon2id$v=19$m=262145,t=2,p=1", "256 MiB, 16 passes or 4 lanes"),
        ("$argon2id$v=19$m=19456,t=17,p=1", "256 MiB, 16 passes or 4 lanes"),
        ("$argon2i$v=19$m=19456,t=4000000,p=1", "256 MiB, 16 passes or 4 lanes"),
        ("$argon2id$v=19$m=19456,t=2,p=5", "256 MiB, 16 passes or 4 lanes"),
        ("$scrypt$ln=17,r=8,p=1", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$scrypt$ln=20,r=1,p=1", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$scrypt$ln=4294967296,r=1,p=1", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$scrypt$ln=10,r=33,p=1", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$scrypt$ln=10,r=8,p=5", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$firebase-scrypt$ln=17,r=8,p=1", "64 MiB of scrypt's memory, blocks of 32 or 4 lanes"),
        ("$pbkdf2-sha256$i=2000001", "2000000 iterations of PBKDF2"),
        ("$pbkdf2-sha512$i=99999999999", "2000000 iterations of PBKDF2"),
    ] {
        let parts = if beginning.contains("firebase") { 4 } else { 2 };
        let text = format!("{beginning}${SALT}{}", format!("${OUTPUT}").repeat(parts - 1));
        assert_eq!(parse(&text), Err(format!("the hash costs more than the limit of {bound}")), "{text}");
    }
    assert_eq!(
        parse(&format!("$2b$15${BCRYPT}")),
        Err("the hash costs more than the limit of a bcrypt cost of 14".to_owned())
    );
    assert!(parse(&format!("$scrypt$ln=16,r=8,p=4${SALT}${OUTPUT}")).is_ok(), "64 MiB");
    assert!(parse(&format!("$scrypt$ln=14,r=32,p=4${SALT}${OUTPUT}")).is_ok(), "64 MiB");
}

#[test]
fn what_is_no_hash_says_so_and_not_what_it_is() {
    let long = format!("$2b$10${}", "x".repeat(600));
    let short = "c2FsdA";
    for (text, problem) in [
        ("", "the scheme of the hash is unknown"),
        ("s3cur3pass", "the scheme of the hash is unknown"),
        (&format!("$argon2d$v=19$m=256,t=2,p=1${SALT}${OUTPUT}"), "the scheme of the hash is unknown"),
        (&format!("$2x$10${BCRYPT}"), "the scheme of the hash is unknown"),
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "the scheme of the hash is unknown"),
        ("$argon2id$v=19$m=19456,t=2,p=1", "the hash must have the form $argon2id$v=19$m="),
        (&format!("$argon2id$v=18$m=256,t=2,p=1${SALT}${OUTPUT}"), "the hash must have the form $argon2id$"),
        (&format!("$argon2id$v=19$m=256,t=2,p=1,keyid=AAAA${SALT}${OUTPUT}"), "the hash must have the form $argon2id$"),
        (&format!("$argon2id$v=19$m=256,t=2,p=1,data=AAAA${SALT}${OUTPUT}"), "the hash must have the form $argon2id$"),
        (&format!("$2b$03${BCRYPT}"), "the hash must have the form $2b$COST$"),
        (&format!("$2b$32${BCRYPT}"), "the hash must have the form $2b$COST$"),
        (&format!("$2b$5${BCRYPT}"), "the hash must have the form $2b$COST$"),
        (&format!("$2b$10${}", &BCRYPT[2..]), "the hash must have the form $2b$COST$"),
        (&format!("$2b$10${BCRYPT}$"), "the hash must have the form $2b$COST$"),
        (&format!("x$2b$10${BCRYPT}"), "the hash must have the form $2b$COST$"),
        (&format!("$bcrypt-trimmed$$2b$10${BCRYPT}"), "the scheme of the hash is unknown"),
        (&format!("$trimmed$2b$10${BCRYPT}"), "the scheme of the hash is unknown"),
        (&format!("$trimmed$bcrypt-trimmed$2b$10${BCRYPT}"), "the scheme of the hash is unknown"),
        (&format!("$bcrypt-trimmed$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"), "the scheme of the hash is unknown"),
        (&format!("$trimmedx$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$2b$10${}é", &BCRYPT[2..]), "the hash must have the form $2b$COST$"),
        (&long, "a part of the hash has a wrong length: allowed are 512 characters at most"),
        (&format!("$scrypt$r=8,ln=16,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=16,r=8,p=1,x=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=016,r=8,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=+16,r=8,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=0,r=8,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=16,r=0,p=1${SALT}${OUTPUT}"), "the hash must have the form $scrypt$"),
        (&format!("$scrypt$ln=16,r=8,p=1${SALT}==${OUTPUT}"), "the hash must have the form $scrypt$"),
        (
            &format!("$scrypt$ln=16,r=8,p=1${short}${OUTPUT}"),
            "a part of the hash has a wrong length: allowed are 8 to 64 bytes of salt",
        ),
        (
            &format!("$scrypt$ln=16,r=8,p=1${SALT}${short}"),
            "a part of the hash has a wrong length: allowed are 8 to 64 bytes of salt",
        ),
        (
            &format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${SALT}"),
            "a part of the hash has a wrong length: allowed are 8 to 64",
        ),
        (
            &format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}${OUTPUT}${OUTPUT}"),
            "the hash must have the form $firebase-scrypt$",
        ),
        (&format!("$pbkdf2-sha256$i=0${SALT}${OUTPUT}"), "the hash must have the form $pbkdf2-sha256$"),
        (&format!("$pbkdf2-sha256$i=1000,l=64${SALT}${OUTPUT}"), "the hash must have the form $pbkdf2-sha256$"),
        (&format!("$pbkdf2-sha256$1000${SALT}${OUTPUT}"), "the hash must have the form $pbkdf2-sha256$"),
        (
            &format!("$pbkdf2-sha256$i=1000${SALT}${short}"),
            "a part of the hash has a wrong length: allowed are 8 to 64 bytes of salt",
        ),
        (&format!("$pbkdf2-sha1$i=1000${SALT}${OUTPUT}"), "the scheme of the hash is unknown"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(problem), "{text}: {error}");
        assert!(!error.contains(SALT) && !error.contains(BCRYPT), "{error}");
    }
}

#[test]
fn other_systems_spellings_become_ours() {
    let plus = "CWOrkoo7oJBQ+iyh7uJ0LO2aLEfrHwTWllSAxT0zRno";
    for (theirs, ours) in [
        (
            format!("$pbkdf2-sha256$29000${SALT}${}", plus.replace('+', ".")),
            format!("$pbkdf2-sha256$i=29000${SALT}${plus}"),
        ),
        (format!("pbkdf2_sha512$29000$saltsaltsaltsalt${plus}="), format!("$pbkdf2-sha512$i=29000${SALT}${plus}")),
        (format!("bcrypt$$2b$12${BCRYPT}"), format!("$2b$12${BCRYPT}")),
        (
            format!("argon2$argon2id$v=19$m=102400,t=2,p=4${SALT}${OUTPUT}"),
            format!("$argon2id$v=19$m=102400,t=2,p=4${SALT}${OUTPUT}"),
        ),
        (
            format!("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${OUTPUT}"),
        ),
        (
            format!("$fbscrypt$v=1,n=14,r=8,p=1,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$${OUTPUT}${OUTPUT}"),
        ),
    ] {
        assert_eq!(import(&theirs).as_deref(), Ok(ours.as_str()), "{theirs}");
        assert!(parse(&theirs).is_err(), "nothing is stored like that: {theirs}");
    }
    for (theirs, problem) in [
        (
            format!("$fbscrypt$v=2,n=14,r=8,p=1,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            "the hash must have the form $fbscrypt$v=1",
        ),
        (format!("$fbscrypt$v=1,n=14,r=8,p=1${SALT}==${OUTPUT}="), "the hash must have the form $fbscrypt$v=1"),
        (format!("pbkdf2_sha1$29000$saltsaltsaltsalt${plus}="), "the hash must have the form pbkdf2_sha256$"),
        (format!("pbkdf2_sha256$9000000$saltsaltsaltsalt${plus}="), "the hash costs more than the limit of 2000000"),
        (format!("bcrypt_sha256$$2b$12${BCRYPT}"), "the scheme of the hash is unknown"),
    ] {
        let error = import(&theirs).expect_err(&theirs);
        assert!(error.starts_with(problem), "{theirs}: {error}");
    }
}

#[test]
fn a_hash_is_said_to_be_of_a_trimmed_password_only_once() {
    let argon2 = format!("$argon2id$v=19$m=256,t=2,p=1${SALT}${OUTPUT}");
    for (plain, marked) in [
        (format!("$2b$10${BCRYPT}"), format!("$bcrypt-trimmed$2b$10${BCRYPT}")),
        (argon2.clone(), format!("$trimmed{argon2}")),
    ] {
        let hash = PasswordHash::parse(&plain).unwrap();
        assert!(!hash.is_of_trimmed());
        let trimmed = hash.of_trimmed();
        assert_eq!((trimmed.is_of_trimmed(), trimmed.to_phc()), (true, marked.clone()));
        assert_eq!(trimmed.of_trimmed().to_phc(), marked);
        let read = PasswordHash::parse(&marked).unwrap();
        assert_eq!((read.is_of_trimmed(), read.to_phc()), (true, marked));
    }
}

#[test]
fn a_bcrypt_key_is_the_first_72_bytes_and_a_nul_if_there_is_room() {
    let keys = |text: &str| {
        let Scheme::Bcrypt(hash) = PasswordHash::parse(text).unwrap().scheme().clone() else { panic!("bcrypt") };
        move |password: &str| hash.key(password.as_bytes()).to_vec()
    };
    let plain = keys(&format!("$2b$10${BCRYPT}"));
    assert_eq!(plain(" pass\0word "), b" pass\0word \0");
    assert_eq!(plain(&"x".repeat(71)), [&[b'x'; 71][..], b"\0"].concat());
    assert_eq!(plain(&"x".repeat(72)), [b'x'; 72]);
    assert_eq!(plain(&"x".repeat(1_024)), [b'x'; 72]);
}

#[test]
fn what_is_not_ours_of_today_is_weaker() {
    let weaker = |text: String| PasswordHash::parse(&text).unwrap().is_weaker_than(&Params::default());
    assert!(!weaker(format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${OUTPUT}")));
    assert!(!weaker(format!("$argon2id$v=19$m=65536,t=3,p=4${SALT}${OUTPUT}")));
    assert!(weaker(format!("$argon2id$v=19$m=19456,t=1,p=1${SALT}${OUTPUT}")));
    assert!(weaker(format!("$argon2id$v=16$m=65536,t=3,p=4${SALT}${OUTPUT}")));
    assert!(weaker(format!("$argon2i$v=19$m=65536,t=3,p=4${SALT}${OUTPUT}")));
    assert!(weaker(format!("$argon2id$v=19$m=65536,t=3,p=4${SALT}$F8L3N7BDvbMFA06fEif7wA")), "16 bytes");
    assert!(weaker(format!("$2b$14${BCRYPT}")));
    assert!(weaker(format!("$scrypt$ln=16,r=8,p=4${SALT}${OUTPUT}")));
    assert!(weaker(format!("$pbkdf2-sha512$i=2000000${SALT}${OUTPUT}")));
}

#[test]
fn a_hash_is_as_strong_as_its_multiple_of_the_floor_with_as_many_passes() {
    let classes: [&[(u32, u32)]; 6] = [
        &[(46_000, 1), (19_000, 2)],
        &FLOORS,
        &[(65_536, 1)],
        &[(32_768, 2)],
        &[(65_536, 2)],
        &[(65_536, 3), (65_536, 4)],
    ];
    let all = || classes.iter().enumerate().flat_map(|(class, all)| all.iter().map(move |params| (class, *params)));
    for (class, (m, t)) in all() {
        let hash = PasswordHash::parse(&format!("$argon2id$v=19$m={m},t={t},p=1${SALT}${OUTPUT}")).unwrap();
        for (other, (other_m, other_t)) in all().filter(|(other, _)| (1..5).contains(other) || *other != class) {
            for lanes in [1, 4] {
                let params = Params::new(other_m, other_t, lanes, None).unwrap();
                assert_eq!(hash.is_weaker_than(&params), class < other, "{m},{t} under {other_m},{other_t}");
            }
        }
    }
}

proptest! {
    /// No text panics, and an accepted text is accepted again unchanged.
    #[test]
    fn any_text_is_taken_or_refused(
        text in prop_oneof![
            any::<String>(),
            "\\$(argon2id|argon2i|2b|2y|bcrypt-trimmed|scrypt|firebase-scrypt|fbscrypt|pbkdf2-sha256)[$,=a-z0-9./]{0,120}",
            "\\$scrypt\\$ln=[0-9]{1,12},r=[0-9]{1,12},p=[0-9]{1,12}\\$[A-Za-z]{12,44}\\$[A-Za-z]{24,64}",
            "\\$argon2id\\$v=1[69]\\$m=[0-9]{1,6},t=[0-9]{1,2},p=[0-9]\\$[A-Za-z]{12,44}\\$[A-Za-z]{24,64}",
            "(\\$bcrypt-trimmed)?\\$2[abxy]\\$[0-3][0-9]\\$[./A-Za-z0-9]{53}",
            "(\\$pbkdf2-sha|pbkdf2_sha)(1|256|512)\\$(i=)?[0-9]{1,8}(,l=[0-9]{1,3})?\\$[.A-Za-z]{2,20}\\$[.A-Za-z]{24,64}",
            "\\$fbscrypt\\$v=1,n=[0-9]{1,2},r=8,p=1,(ss=[A-Za-z=]{0,9},)?sk=[A-Za-z]{43}\\$[A-Za-z]{16}\\$[A-Za-z]{43}",
        ],
    ) {
        if let Ok(hash) = PasswordHash::import(&text) {
            let again = PasswordHash::parse(&hash.to_phc()).unwrap();
            prop_assert_eq!(again.to_phc(), hash.to_phc());
            prop_assert!(again.output() == hash.output());
            let trimmed = hash.of_trimmed();
            prop_assert!(PasswordHash::parse(&trimmed.to_phc()).unwrap().output() == trimmed.output());
        }
    }
}
