//! The texts that are accepted as stored hashes, and the bounds of their cost. `tests/it/stored_hashes.rs` verifies
//! passwords by each.

use argon2::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::argon2::FLOORS;
use super::{HashCost, HashTerms, PasswordHash, PasswordHashError, Scheme, SinglePasses};

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
    let crypt = "x".repeat(86);
    for text in [
        format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2i$v=16$m=256,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2d$v=19$m=256,p=1,t=2${SALT}${OUTPUT}"),
        format!("$argon2id$m=256,t=2,p=1${SALT}${OUTPUT}"),
        format!("$argon2id$v=19$m=256,t=2,p=1${SALT}$F8L3N7BDvbMFA06fEif7wA"),
        format!("$2a$10${BCRYPT}"),
        format!("$2b$04${BCRYPT}"),
        format!("$2y$15${BCRYPT}"),
        format!("$2y$14${}", &BCRYPT[..52]),
        format!("$bcrypt-trimmed$2b$10${BCRYPT}"),
        format!("$hex-sha256$2b$10${BCRYPT}"),
        format!("$slashed$wp$2y$10${BCRYPT}"),
        format!("$hmac-sha256$2b$10${BCRYPT}"),
        format!("$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"),
        format!("$nfkc$scrypt$ln=14,r=16,p=1${SALT}${OUTPUT}"),
        format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${OUTPUT}"),
        format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$${OUTPUT}${OUTPUT}"),
        format!("$pbkdf2-sha256$i=2000000,l=32${SALT}${OUTPUT}"),
        format!("$pbkdf2-sha512$i=1${SALT}${OUTPUT}"),
        format!("$pbkdf2-sha1$i=1000${SALT}$F8L3N7BDvbMFA06fEif7wA"),
        format!("$6$rounds=656000$saltsalt${crypt}"),
        format!("$5$saltsalt${}", &crypt[..43]),
        format!("$y$j9T$saltsalt${}", &crypt[..43]),
        format!("$slashed$P$Bsaltsalt{}", &crypt[..22]),
        format!("$H$9saltsalt{}", &crypt[..22]),
        format!("$S$Dsaltsalt{}", &crypt[..43]),
    ] {
        assert_eq!(parse(&text).as_deref(), Ok(text.as_str()));
        // The text of argon2 does not say who made it.
        let foreign = if text.starts_with("$argon2") { format!("$foreign{text}") } else { text.clone() };
        assert_eq!(import(&text).as_deref(), Ok(foreign.as_str()), "what is stored may be imported");
        assert_eq!(PasswordHash::import(&text).unwrap().to_exported(), text, "and is exported as it was");
    }
}

#[test]
fn a_stored_hash_cannot_ask_for_more_than_is_bearable() {
    let costs =
        |text: &str| -> Result<(), String> { PasswordHash::import(text).map(drop).map_err(|error| error.to_string()) };
    for beginning in [
        "$argon2id$v=19$m=2097153,t=1,p=1",
        "$argon2i$v=19$m=19456,t=4000000,p=1",
        "$argon2id$v=19$m=9223372036854775808,t=9223372036854775808,p=1",
        "$scrypt$ln=20,r=8,p=3",
        "$scrypt$ln=10,r=4294967295,p=4294967295",
        "$scrypt$ln=63,r=1,p=1",
        "$firebase-scrypt$ln=22,r=8,p=1",
        "$pbkdf2-sha256$i=9000000",
        "$pbkdf2-sha512$i=9223372036854775808",
    ] {
        let parts = if beginning.contains("firebase") { 4 } else { 2 };
        let text = format!("{beginning}${SALT}{}", format!("${OUTPUT}").repeat(parts - 1));
        let error = costs(&text).unwrap_err();
        assert!(
            error.starts_with("the hash costs more than the limit of 2048 MiB of memory and the work of "),
            "{error}"
        );
    }
    for text in [
        format!("$2b$16${BCRYPT}"),
        format!("$2b$31${BCRYPT}"),
        format!("$6$rounds=999999999$saltsalt${}", "x".repeat(86)),
        format!("$S$Ssaltsalt{}", "x".repeat(43)),
        format!("$y$jST$saltsalt${}", "x".repeat(43)),
    ] {
        let error = costs(&text).unwrap_err();
        assert!(error.starts_with("the hash costs more than the limit of 2048 MiB"), "{text}: {error}");
    }
    // The defaults of other systems, and the first choices of RFC 9106 and OWASP.
    for text in [
        format!("$argon2id$v=19$m=2097152,t=1,p=4${SALT}${OUTPUT}"),
        format!("$argon2id$v=19$m=102400,t=2,p=8${SALT}${OUTPUT}"),
        format!("$scrypt$ln=17,r=8,p=1${SALT}${OUTPUT}"),
        format!("$scrypt$ln=14,r=8,p=5${SALT}${OUTPUT}"),
        format!("$pbkdf2-sha256$i=1800000${SALT}${OUTPUT}"),
        format!("$2b$15${BCRYPT}"),
    ] {
        assert_eq!(costs(&text), Ok(()), "{text}");
    }
    // An import may be told to take more, up to what a sign-in may cost at all.
    let terms = HashTerms { bound: HashCost::CEILING, ..HashTerms::default() };
    assert!(PasswordHash::import_on(&format!("$2b$17${BCRYPT}"), &terms).is_ok());
    assert!(PasswordHash::import_on(&format!("$2b$18${BCRYPT}"), &terms).is_err());
}

#[test]
fn what_is_no_hash_says_so_and_not_what_it_is() {
    let long = format!("$2b$10${}", "x".repeat(600));
    let short = "c2FsdA";
    for (text, problem) in [
        ("", "the scheme of the hash is unknown"),
        ("s3cur3pass", "the scheme of the hash is unknown"),
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
        (&format!("$trimmedx$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"), "the scheme of the hash is unknown"),
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
        (&format!("$pbkdf2-sha1$i=1000${SALT}${OUTPUT}"), "a part of the hash has a wrong length"),
        (&format!("$cut72$2b$10${BCRYPT}"), "the scheme of the hash is unknown"),
        (&format!("$foreign$2b$10${BCRYPT}"), "the scheme of the hash is unknown"),
        (&format!("$wp$scrypt$ln=16,r=8,p=1${SALT}${OUTPUT}"), "the scheme of the hash is unknown"),
        (&format!("$salted=sha1,${BCRYPT}"), "the scheme of the hash is unknown"),
        ("$6$rounds=10$saltsalt$x", "the hash must have the form $6$rounds="),
        ("$y$j9T$saltsalt$x", "the hash must have the form $y$PARAMETERS"),
        ("$P$Bsaltsaltx", "the hash must have the form $P$, $H$ or $S$"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(problem), "{text}: {error}");
        assert!(!error.contains(SALT) && !error.contains(BCRYPT), "{error}");
    }
}

#[test]
fn other_systems_spellings_become_ours() {
    let plus = "CWOrkoo7oJBQ+iyh7uJ0LO2aLEfrHwTWllSAxT0zRno";
    let hex_salt = "0123456789abcdef0123456789abcdef";
    for (theirs, ours) in [
        (
            format!("$pbkdf2-sha256$29000${SALT}${}", plus.replace('+', ".")),
            format!("$pbkdf2-sha256$i=29000${SALT}${plus}"),
        ),
        (format!("pbkdf2_sha512$29000$saltsaltsaltsalt${plus}="), format!("$pbkdf2-sha512$i=29000${SALT}${plus}")),
        (format!("bcrypt$$2b$12${BCRYPT}"), format!("$2b$12${BCRYPT}")),
        (format!("{{bcrypt}}$2a$10${BCRYPT}"), format!("$2a$10${BCRYPT}")),
        (format!("1|$2y$12${BCRYPT}"), format!("$2y$12${BCRYPT}")),
        (format!("bcrypt_sha256$$2b$12${BCRYPT}"), format!("$hex-sha256$2b$12${BCRYPT}")),
        (
            format!("argon2$argon2id$v=19$m=102400,t=2,p=4${SALT}${OUTPUT}"),
            format!("$foreign$argon2id$v=19$m=102400,t=2,p=4${SALT}${OUTPUT}"),
        ),
        (format!("$scrypt$ln=16384,r=8,p=1${SALT}==${OUTPUT}="), format!("$scrypt$ln=14,r=8,p=1${SALT}${OUTPUT}")),
        (
            format!("{hex_salt}:{}", "00".repeat(64)),
            format!("$nfkc$scrypt$ln=14,r=16,p=1$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY${}", "A".repeat(86)),
        ),
        (
            format!("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${OUTPUT}"),
        ),
        (
            format!("$fbscrypt$v=1,n=14,r=8,p=1,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$${OUTPUT}${OUTPUT}"),
        ),
        (
            format!("$firescrypt$ln=14,r=8,p=1${SALT}==${OUTPUT}=$Bw==${OUTPUT}="),
            format!("$firebase-scrypt$ln=14,r=8,p=1${SALT}$Bw${OUTPUT}${OUTPUT}"),
        ),
        (
            format!(
                r#"{{"secretData":"{{\"value\":\"{OUTPUT}=\",\"salt\":\"{SALT}==\"}}","credentialData":{{"hashIterations":5,"algorithm":"argon2","additionalParameters":{{"memory":["7168"],"parallelism":["1"],"type":["id"],"version":["1.3"]}}}}}}"#
            ),
            format!("$foreign$argon2id$v=19$m=7168,t=5,p=1${SALT}${OUTPUT}"),
        ),
        (
            format!(r#"{{"hash":"{}","salt":"saltsaltsaltsalt"}}"#, "00".repeat(512)),
            format!("$pbkdf2-sha256$i=25000${SALT}${}", "A".repeat(43)),
        ),
        (
            format!(
                r#"{{"passwd":"{}","salt":"{}","passwd_hash_algo":"pbkdf2$50000$50"}}"#,
                "00".repeat(50),
                "73616c74".repeat(4)
            ),
            format!("$pbkdf2-sha256$i=50000${SALT}${}", "A".repeat(43)),
        ),
        (
            format!(
                r#"{{"password_hash":"{}","salt":"saltsaltsaltsalt","password_algorithm":"$pbkdf2-sha256$i=600000,l=32$"}}"#,
                "00".repeat(32)
            ),
            format!("$pbkdf2-sha256$i=600000${SALT}${}", "A".repeat(43)),
        ),
        (
            format!(
                r#"{{"password":"{OUTPUT}=","salt":"{SALT}==","factor":24000,"encryptionScheme":"salted-pbkdf2-hmac-sha256"}}"#
            ),
            format!("$pbkdf2-sha256$i=24000${SALT}${OUTPUT}"),
        ),
    ] {
        assert_eq!(import(&theirs).as_deref(), Ok(ours.as_str()), "{theirs}");
        assert!(parse(&theirs).is_err(), "nothing is stored like that: {theirs}");
    }
    for theirs in [format!("$wp$2y$10${BCRYPT}"), format!("$P$Bsaltsalt{}", "x".repeat(22))] {
        assert_eq!(import(&theirs), Ok(format!("$slashed{theirs}")));
    }
    for (theirs, problem) in [
        (
            format!("$fbscrypt$v=2,n=14,r=8,p=1,sk={OUTPUT}=${SALT}==${OUTPUT}="),
            "the hash must have the form $fbscrypt$v=1",
        ),
        (format!("$fbscrypt$v=1,n=14,r=8,p=1${SALT}==${OUTPUT}="), "the hash must have the form $fbscrypt$v=1"),
        (format!("pbkdf2_sha1$29000${SALT}"), "the hash must have the form pbkdf2_sha256$"),
        (format!("pbkdf2_sha256$9000000$saltsaltsaltsalt${plus}="), "the hash costs more than the limit of 2048 MiB"),
        ("{\"salt\":7}".to_owned(), "the hash must have the form a JSON object with the columns"),
        ("{MD4}x".to_owned(), "the scheme of the hash is unknown"),
        ("{SSHA}!".to_owned(), "the hash must have the form {SCHEME}"),
    ] {
        let error = import(&theirs).expect_err(&theirs);
        assert!(error.starts_with(problem), "{theirs}: {error}");
    }
}

#[test]
fn a_single_pass_is_hashed_once_more_and_of_md5_and_sha1_only_if_that_is_asked_for() {
    let bytes = [7; 28];
    for (name, length, is_weak) in [("SSHA", 28, true), ("SMD5", 24, true), ("SHA", 20, true), ("SSHA256", 40, false)] {
        let stored = STANDARD.encode([&bytes[..], &bytes[..]].concat().get(..length).unwrap());
        let text = format!("{{{name}}}{stored}");
        let refused = PasswordHash::import(&text).map(|hash| hash.to_phc());
        assert_eq!(refused == Err(PasswordHashError::Weak), is_weak, "{refused:?}");
        let terms = HashTerms { single_passes: SinglePasses::All, ..HashTerms::default() };
        let wrapped = PasswordHash::import_on(&text, &terms).unwrap().to_phc();
        assert!(
            wrapped.starts_with("$foreign$salted=") && wrapped.contains("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{wrapped}"
        );
        assert_eq!(PasswordHash::parse(&wrapped).unwrap().to_phc(), wrapped);
        let exported = PasswordHash::parse(&wrapped).unwrap().to_exported();
        assert_eq!(import(&exported).as_deref(), Ok(wrapped.as_str()));
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
    assert!(!weaker(format!("$argon2id$v=19$m=65536,t=3,p=1${SALT}${OUTPUT}")));
    assert!(weaker(format!("$argon2id$v=19$m=65536,t=3,p=4${SALT}${OUTPUT}")), "more lanes");
    assert!(weaker(format!("$foreign$argon2id$v=19$m=65536,t=3,p=1${SALT}${OUTPUT}")), "perhaps another system's");
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
            "(\\{(SSHA|bcrypt|PBKDF2|ARGON2|pbkdf2@SpringSecurity_v5_8)\\})?[$0-9a-zA-Z./=]{0,120}",
            "(AQ|AA)[A-Za-z0-9+/]{20,100}",
            "(:?pbkdf2|scrypt|s2|[0-9a-f]{32}):[$:0-9a-f]{0,140}",
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
