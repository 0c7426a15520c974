//! Password hashes of other systems. Each scheme verifies hashes of other implementations, costs exactly one run of the
//! lane, and is replaced by our own at the first sign-in.

use std::time::{Duration, Instant};

use argon2::Params;
use argon2_kernel::Kernel;
use countersign::domain::Password;
use countersign::domain::password_hash::PasswordHash;
use countersign::hashing::{PasswordHasher, Turn};
use countersign::pb::{LoginRequest, login_request};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tonic::Code;

use crate::support::TestApp;
use crate::wire;

/// Hashes of other implementations, which the comments name. The password is `s3cur3pass` unless another one is given.
const VECTORS: [(&str, &str); 20] = [
    // argon2-cffi 25.1, which calls the C reference implementation.
    ("$argon2i$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$lUBu69fuMN1syKlPbhK4qzwc447JsPLSkw8MucHjzGU", "s3cur3pass"),
    ("$argon2i$v=16$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6vwAQrC5rfWIRKb1Lw0FGw", "s3cur3pass"),
    ("$argon2id$v=16$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$1KDTvpMdguEBkZZALg/9Orl7YS3ieYGKAMbBeJ2567s", "s3cur3pass"),
    ("$argon2id$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$1KDTvpMdguEBkZZALg/9Orl7YS3ieYGKAMbBeJ2567s", "s3cur3pass"),
    ("$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$F8L3N7BDvbMFA06fEif7wA", "s3cur3pass"),
    (
        "$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$XGzx2MLOxm2YMtEW6ax1lyJeJsteEZp/pGOKjSkw53niLLAtcBVVEFWR6Ed7fPgV\
         JoX58jZI4ErvwqoSkMwt9w",
        "s3cur3pass",
    ),
    // The hash of the username contract, as it stands there, and with the full stop that belongs to it.
    ("$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A", "s3cur3pass"),
    ("$bcrypt-trimmed$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.", " \ts3cur3pass\r\n"),
    // bcrypt 5.0 of PyPI.
    ("$2a$04$BVd8RCuDxp9BbwVt7jh30.0h1fE7lANugvvDHgdBkJVCH.JsuWk4y", "s3cur3pass"),
    ("$2y$04$2MK5nOX5ccioorphrWDEgu4d6UmmYuK0OUb77.CV3cG2YlnlZPBVu", "pässwörd €"),
    ("$2b$04$tAgA.w9PeVmVV9I1WsuHZ.uwUQVE1Qz7psbxLndpQhaKUMv0XR4K6", "nul\0inside"),
    (DECOMPOSED, "pa\u{308}sswo\u{308}rd"),
    (SEVENTY_TWO, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    // Python's hashlib, which calls OpenSSL.
    ("$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$Z8RQrFfBVqVidERI62YhoD/OdFuQyXFxGg3hnxNhB4U", "s3cur3pass"),
    (
        "$scrypt$ln=10,r=8,p=4$c2FsdHNhbHRzYWx0c2FsdA$f4nMFNG4quOKz0taFh3enpxEhgSzPWjrdV6S3ZotcfYJN0ICzcGKZ+ehm8ipx/UCzMiWH8tR\
         iATUEUJkFNjTVg",
        "s3cur3pass",
    ),
    ("pbkdf2_sha256$29000$saltsaltsaltsalt$IXR34ezfHmIDlKoDs9XvSEOqwK/LNhGnFzbR3OOnNDc=", "s3cur3pass"),
    (
        "$pbkdf2-sha512$i=29000,l=64$c2FsdHNhbHRzYWx0c2FsdA$omnwPtm3nk3KQ6AqubiZGs7c4HD0jXRFLlXVcvVVMOjfOFHJPHny0iU3KqUgRZ4v+\
         m2pCaUlAMkq2N2R2r1uHQ",
        "s3cur3pass",
    ),
    // Passlib 1.7.4.
    ("$pbkdf2-sha256$1000$FgKglHJOifGes/bem7NWag$mvSmYvmisl8IruGDx6tCRDA5kg0DLXujybCPZOdqZyw", "s3cur3pass"),
    // The example that Firebase publishes with its command line tool.
    (
        "$firebase-scrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw$Bw$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0Qs\
         EmYUSDzZvpjeJ9WmXA$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ",
        "user1password",
    ),
    // The example in the tests of the hosted identity service.
    (
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUC\
         AlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
        "mytestpassword",
    ),
];

/// The hash of 72 times `x`, and thus of every password that begins with them.
const SEVENTY_TWO: &str = "$2b$04$dDeAQN89WEYce.suDLRAve.C8CIfEDkMU8Fq5ebKfYSF6NrVgH5Ga";

/// The hash of letters and combining marks, as some keyboards send them.
const DECOMPOSED: &str = "$2b$04$r8kQCHRNfEaaNWBxSyhPxuI8UKn/A5hPdAgatp2AHwZYxXbMyGwvG";

fn turn() -> Turn {
    Turn { client: None, deadline: Instant::now() + Duration::from_secs(60) }
}

fn hasher() -> PasswordHasher {
    PasswordHasher::start(Params::new(8, 1, 1, None).unwrap(), Kernel::choose().unwrap().kernel, 1, 4).unwrap()
}

async fn matches(hasher: &PasswordHasher, hash: &str, password: &str) -> bool {
    let hash = PasswordHash::import(hash).unwrap();
    let password = Password::parse(password.to_owned(), 1).unwrap();
    hasher.verify(&password, Some(&hash), turn()).await.unwrap().matches
}

#[tokio::test]
async fn each_scheme_takes_its_password_and_no_other_at_the_price_of_one_run() {
    let hasher = hasher();
    for (hash, password) in VECTORS {
        let runs = hasher.runs();
        assert!(matches(&hasher, hash, password).await, "{hash}");
        assert_eq!(hasher.runs(), runs + 1);
        for wrong in [password.to_uppercase(), format!("{}.", password.trim_end()), "s3cur3pas".to_owned()] {
            // This hash reads only 72 bytes, so a further character makes no difference.
            let expected = hash == SEVENTY_TWO && wrong == format!("{password}.");
            assert_eq!(matches(&hasher, hash, &wrong).await, expected, "{hash} {wrong}");
        }
        assert_eq!(hasher.runs(), runs + 4);
    }
}

#[tokio::test]
async fn bcrypt_looks_at_72_bytes_and_at_every_one_of_them() {
    let hasher = hasher();
    assert!(matches(&hasher, SEVENTY_TWO, &"x".repeat(72)).await);
    assert!(matches(&hasher, SEVENTY_TWO, &"x".repeat(1_024)).await);
    assert!(!matches(&hasher, SEVENTY_TWO, &"x".repeat(71)).await);
    assert!(!matches(&hasher, SEVENTY_TWO, &format!("{}y", "x".repeat(71))).await);
    let nul_inside = "$2b$04$tAgA.w9PeVmVV9I1WsuHZ.uwUQVE1Qz7psbxLndpQhaKUMv0XR4K6";
    assert!(!matches(&hasher, nul_inside, "nul").await, "what is behind a NUL counts");
    assert!(!matches(&hasher, nul_inside, "nul\0inside\0").await);
}

#[tokio::test]
async fn white_space_around_a_password_is_nothing_to_the_old_server_and_something_to_all_others() {
    let hasher = hasher();
    let plain = "$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A";
    let trimmed = PasswordHash::parse(plain).unwrap().of_trimmed().to_phc();
    for password in ["s3cur3pass", " s3cur3pass", "s3cur3pass\n", "\u{feff}\u{2003}s3cur3pass\t"] {
        assert!(matches(&hasher, &trimmed, password).await, "{password:?}");
    }
    assert!(!matches(&hasher, &trimmed, "s3cur3 pass").await);
    assert!(matches(&hasher, plain, "s3cur3pass").await);
    assert!(!matches(&hasher, plain, " s3cur3pass").await);
}

#[tokio::test]
async fn another_system_hashed_what_was_typed_and_ours_takes_both_spellings() {
    let hasher = hasher();
    assert!(matches(&hasher, DECOMPOSED, "pa\u{308}sswo\u{308}rd").await);
    assert!(!matches(&hasher, DECOMPOSED, "pässwörd").await);
    let decomposed = Password::parse("pa\u{308}sswo\u{308}rd".to_owned(), 1).unwrap();
    let ours = hasher.hash(&decomposed, turn()).await.unwrap().to_phc();
    assert!(matches(&hasher, &ours, "pässwörd").await);
}

/// Parameters from the weakest to the strongest. Those of one line are equally strong.
const STRENGTHS: [&[(u32, u32)]; 3] =
    [&[(7_168, 5), (9_216, 4), (12_288, 3), (19_456, 2), (47_104, 1)], &[(65_536, 1)], &[(32_768, 2)]];

#[tokio::test]
async fn a_sign_in_is_one_hash_whatever_is_set_and_one_more_once_where_that_makes_it_stronger() {
    let mut app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let all = || STRENGTHS.iter().zip(0..).flat_map(|(all, strength)| all.iter().map(move |cost| (*cost, strength)));
    let mut stored = Vec::new();
    for ((m, t), strength) in all() {
        let params = Params::new(m, t, 1, None).unwrap();
        let hasher = PasswordHasher::start(params, Kernel::choose().unwrap().kernel, 1, 4).unwrap();
        let password = Password::parse("s3cur3pass".to_owned(), 1).unwrap();
        stored.push((hasher.hash(&password, turn()).await.unwrap().to_phc(), strength));
    }
    for ((m, t), strength) in all() {
        app = app.restart_hashing(&Params::new(m, t, 1, None).unwrap(), &[]).await;
        for (hash, before) in &stored {
            let mut database = SqliteConnection::connect_with(&file).await.unwrap();
            sqlx::query("update accounts set password_hash = ?").bind(hash).execute(&mut database).await.unwrap();
            let mut stored = async || {
                let hash = sqlx::query_scalar::<_, String>("select password_hash from accounts");
                hash.fetch_one(&mut database).await.unwrap()
            };
            let (runs, name) = (app.hasher.runs(), format!("{hash} under m={m},t={t}"));
            assert_eq!(login(&app, "s3cur3pass").await, Ok(()), "{name}");
            let is_stronger = strength > *before;
            if is_stronger {
                let ours = async || stored().await.starts_with(&format!("$argon2id$v=19$m={m},t={t},p=1$"));
                assert!(wire::eventually(Duration::from_secs(10), ours).await, "{name}");
            }
            for _ in 0..2 {
                assert_eq!(login(&app, "s3cur3pass").await, Ok(()), "{name}");
            }
            assert_eq!(app.hasher.runs() - runs, 3 + u64::from(is_stronger), "{name}");
            assert_eq!(stored().await == *hash, !is_stronger, "{name}");
        }
    }
}

async fn login(app: &TestApp, password: &str) -> Result<(), Code> {
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    let request = LoginRequest { handle, password: password.to_owned(), device: String::new() };
    app.grpc().login(request).await.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn a_sign_in_with_a_hash_of_another_system_makes_it_ours() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    let today = Params::new(8, 1, 1, None).unwrap();
    for (hash, password) in VECTORS {
        let hash = PasswordHash::import(hash).unwrap();
        assert!(hash.is_weaker_than(&today), "each one is replaced, however strong");
        let hash = hash.to_phc();
        sqlx::query("update accounts set password_hash = ?").bind(&hash).execute(&mut database).await.unwrap();
        let mut stored = async || {
            sqlx::query_scalar::<_, String>("select password_hash from accounts")
                .fetch_one(&mut database)
                .await
                .unwrap()
        };
        assert_eq!(login(&app, "s3cur3past").await, Err(Code::Unauthenticated), "{hash}");
        assert_eq!(stored().await, hash, "a wrong password changes nothing");
        assert_eq!(login(&app, password).await, Ok(()), "{hash}");
        let is_trimmed = hash.starts_with("$bcrypt-trimmed");
        // bcrypt never looked at what follows these 72 bytes, and the owner may go on typing it.
        let is_cut = hash == SEVENTY_TWO;
        let rule = match (is_trimmed, is_cut) {
            (true, _) => "$trimmed",
            (_, true) => "$cut72",
            _ => "",
        };
        let ours = format!("{rule}$argon2id$v=19$m=8,t=1,p=1$");
        let ours = async || stored().await.starts_with(&ours);
        assert!(wire::eventually(Duration::from_secs(10), ours).await, "{hash}");
        let runs = app.hasher.runs();
        assert_eq!(login(&app, password).await, Ok(()), "{hash}: the second time");
        assert_eq!(app.hasher.runs(), runs + 1, "and it is not hashed anew any more");
        // After the sign-in, the account has our hash, which reads every byte that the old one read.
        let longer = if is_cut { Ok(()) } else { Err(Code::Unauthenticated) };
        assert_eq!(login(&app, &format!("{password}.")).await, longer, "{hash}");
    }
}

#[tokio::test]
async fn what_is_stored_anew_is_what_the_owner_types_and_never_a_slip() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    let long = "x".repeat(80);
    let argon2 = hasher().hash(&Password::parse("pässwörd".to_owned(), 1).unwrap(), turn()).await.unwrap().to_phc();
    for (hash, owns, slip) in [
        // A stray space at the first sign-in, and an error behind the bytes that the old system looked at.
        ("$bcrypt-trimmed$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.", "s3cur3pass", " s3cur3pass "),
        (SEVENTY_TWO, long.as_str(), &format!("{}oops", "x".repeat(72))),
        // A keyboard that sends letters and marks apart.
        (&format!("$foreign{argon2}"), "pässwörd", "pa\u{308}sswo\u{308}rd"),
    ] {
        sqlx::query("update accounts set password_hash = ?").bind(hash).execute(&mut database).await.unwrap();
        assert_eq!(login(&app, slip).await, Ok(()), "{hash}");
        let mut stored = async || {
            let hash = sqlx::query_scalar::<_, String>("select password_hash from accounts");
            hash.fetch_one(&mut database).await.unwrap()
        };
        let is_replaced = async || stored().await != hash;
        assert!(wire::eventually(Duration::from_secs(10), is_replaced).await, "{hash}");
        for password in [owns, slip] {
            assert_eq!(login(&app, password).await, Ok(()), "{hash}: {password:?}");
        }
        assert_eq!(login(&app, &format!("y{owns}")).await, Err(Code::Unauthenticated), "{hash}");
    }
}

#[tokio::test]
async fn an_imported_password_may_be_shorter_than_the_policy_of_today() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let hash = hasher().hash(&Password::parse("abc".to_owned(), 1).unwrap(), turn()).await.unwrap().to_phc();
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::query("update accounts set password_hash = ?").bind(hash).execute(&mut database).await.unwrap();
    assert_eq!(login(&app, "abc").await, Ok(()));
    assert_eq!(login(&app, "abd").await, Err(Code::Unauthenticated));
}
