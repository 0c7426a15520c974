//! Tests of the memory through [`Tokens`]: what it may never change, what it may save, and how large it can become.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::{BYTES_PER_PART, LONGEST_TOKEN, Memory, Origin, PARTS, Part, RememberedToken, TOKENS_PER_PART};
use crate::clock::ManualClock;
use crate::token::{Claims, Keyring, MAX_LIFETIME, NewSession, Profile, Secret, TokenError, Tokens};

const DAY: Duration = Duration::from_secs(86_400);

fn tokens(clock: &ManualClock, current: &str, previous: Option<&str>) -> Tokens {
    let secret = |text: &str| Secret::parse(format!("a secret of thirty-two bytes: {text}")).unwrap();
    let keyring = Keyring::new(&secret(current), previous.map(secret).as_ref());
    Tokens::new(keyring, Arc::new(clock.clone()), 200 * DAY)
}

fn session(number: u128) -> NewSession {
    NewSession {
        account_id: Uuid::from_u128(1),
        session_id: id(number),
        epoch: 0,
        token_lifetime: Duration::from_secs(600),
        profile: named("ada"),
    }
}

/// Makes an id whose part of the memory is the last byte of `number`.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x5eed_0000_0000 + number)
}

fn named(name: &str) -> Profile {
    Profile::Username { username: name.to_owned() }
}

fn issue(tokens: &Tokens, session: NewSession) -> String {
    tokens.issue(session).unwrap().token.into_string()
}

fn refresh(tokens: &Tokens, claims: &Claims) -> String {
    tokens.refresh(claims, None).unwrap().token.into_string()
}

/// Tells whether the token is in the memory.
fn knows(tokens: &Tokens, token: &str) -> bool {
    Arc::ptr_eq(&tokens.verify_former(token).unwrap(), &tokens.verify_former(token).unwrap())
}

fn texts(memory: &Memory) -> usize {
    memory.parts.iter().map(|part| part.lock().unwrap().tokens.len()).sum()
}

#[test]
fn a_token_is_known_when_it_comes_again_and_one_that_differs_in_a_byte_is_refused() {
    let clock = ManualClock::at(1_000);
    let (ours, theirs) = (tokens(&clock, "one", None), tokens(&clock, "one", None));
    let token = issue(&theirs, session(7));
    let first = ours.verify(&token).unwrap();
    assert_eq!(texts(&ours.keyring().accepted.memory), 0, "a session that has come once");
    let second = ours.verify(&token).unwrap();
    let third = ours.verify(&token).unwrap();
    assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &third));
    assert_eq!(first, third);
    for at in 0..token.len() {
        for other in [b'A', b'Q', b'.', b'=', b'~'] {
            let mut bytes = token.clone().into_bytes();
            if std::mem::replace(&mut bytes[at], other) != other {
                let altered = String::from_utf8(bytes).unwrap();
                assert_eq!(ours.verify(&altered), Err(TokenError::Invalid), "{other} at {at}");
            }
        }
        assert_eq!(ours.verify(&token[..at]), Err(TokenError::Invalid));
    }
    for longer in [format!("{token}A"), format!("{token}="), format!(" {token}"), format!("{token}.{token}")] {
        assert_eq!(ours.verify(&longer), Err(TokenError::Invalid), "{longer}");
    }
    assert!(Arc::ptr_eq(&ours.verify(&token).unwrap(), &third), "none of them displaced it");
}

#[test]
fn a_minted_token_is_known_and_equal_claims_are_signed_once() {
    let clock = ManualClock::at(1_000);
    let tokens = tokens(&clock, "one", None);
    let claims = tokens.verify(&issue(&tokens, session(7))).unwrap();
    let token = refresh(&tokens, &claims);
    assert!(knows(&tokens, &token));
    let memory = &tokens.keyring().accepted.memory;
    let minted = tokens.verify(&token).unwrap();
    assert_eq!(memory.minted(&minted), Some(token.clone()));
    assert_eq!(refresh(&tokens, &claims), token);
    let like = || Claims::clone(&minted);
    for (name, other) in [
        ("account", Claims { sub: Uuid::from_u128(2), ..like() }),
        ("session", Claims { sid: id(2), ..like() }),
        ("session of the same part", Claims { sid: id(7 + 256), ..like() }),
        ("epoch", Claims { epoch: 1, ..like() }),
        ("sign-in", Claims { auth_time: 999, ..like() }),
        ("second", Claims { iat: 1_001, ..like() }),
        ("lifetime", Claims { exp: minted.exp + 1, ..like() }),
        ("longest lifetime", Claims { session_exp: minted.session_exp - 1, ..like() }),
        ("first second", Claims { nbf: Some(0), ..like() }),
        ("profile", Claims { profile: named("eve"), ..like() }),
    ] {
        assert_eq!(memory.minted(&other), None, "{name}");
    }
    let promoted = tokens.refresh(&claims, Some(named("queen ada"))).unwrap().token;
    assert_eq!(tokens.verify(promoted.as_str()).unwrap().profile, named("queen ada"));
}

#[test]
fn a_known_token_is_judged_by_the_clock_at_each_call() {
    let clock = ManualClock::at(1_000);
    let (ours, ahead) = (tokens(&clock, "one", None), tokens(&ManualClock::at(1_060), "one", None));
    let token = issue(&ahead, session(7));
    ours.verify(&token).unwrap();
    assert!(knows(&ours, &token));
    let future = |seconds| Err(TokenError::FromTheFuture { ahead: Duration::from_secs(seconds) });
    for (passed, expected) in [
        (-1, future(61)),
        (1, Ok(())),
        (659, Ok(())),
        (1, Err(TokenError::Expired)),
        (-1, Ok(())),
        (200 * 86_400, Err(TokenError::Expired)),
    ] {
        clock.advance(passed);
        assert_eq!(ours.verify(&token).map(drop), expected, "{passed}");
    }
    assert_eq!(ours.verify_former(&token).map(drop), Err(TokenError::Expired), "the session has lasted too long");

    let endless = NewSession { token_lifetime: MAX_LIFETIME + DAY, ..session(8) };
    for _ in 0..4 {
        let token = issue(&ours, endless.clone());
        assert_eq!(ours.verify(&token), Err(TokenError::Invalid), "its lifetime is too long");
    }
}

#[test]
fn a_token_of_the_previous_key_is_known_and_never_handed_out() {
    let clock = ManualClock::at(1_000);
    let (old, new) = (tokens(&clock, "old", None), tokens(&clock, "new", Some("old")));
    let token = issue(&old, session(7));
    let claims = new.verify(&token).unwrap();
    assert!(knows(&new, &token));
    for _ in 0..3 {
        let fresh = refresh(&new, &claims);
        assert_ne!(fresh, token);
        assert_eq!(new.verify(&fresh).unwrap(), claims, "the claims are equal");
        assert_eq!(tokens(&clock, "new", None).verify(&fresh).unwrap(), claims, "the current key signed it");
    }
    assert_eq!(tokens(&clock, "new", None).verify(&token), Err(TokenError::Invalid));
}

#[test]
fn a_forged_token_neither_gets_in_nor_displaces_one() {
    let clock = ManualClock::at(1_000);
    let (ours, forger) = (tokens(&clock, "one", None), tokens(&clock, "another", None));
    let token = issue(&ours, session(7));
    ours.verify(&token).unwrap();
    assert!(knows(&ours, &token));
    let kept = texts(&ours.keyring().accepted.memory);
    for number in 0..2_000 {
        let forged = issue(&forger, session(7 + 256 * (number / 4)));
        assert_eq!(ours.verify(&forged), Err(TokenError::Invalid));
    }
    assert_eq!(texts(&ours.keyring().accepted.memory), kept);
    assert!(knows(&ours, &token));
}

#[test]
fn a_session_has_two_tokens_and_a_part_keeps_those_that_were_used_last() {
    let clock = ManualClock::at(1_000);
    let (ours, theirs) = (tokens(&clock, "one", None), tokens(&clock, "one", None));
    let kept = issue(&theirs, session(7));
    let visit = |token: &str| refresh(&ours, &ours.verify(token).unwrap());
    for _ in 0..10 {
        clock.advance(1);
        visit(&kept);
        visit(&issue(&theirs, session(7)));
    }
    assert_eq!(texts(&ours.keyring().accepted.memory), 2);
    for number in 1..100 {
        let (other, fresh) = (issue(&theirs, session(7 + 256 * number)), visit(&kept));
        for _ in 0..2 {
            visit(&other);
            assert!(knows(&ours, &kept) && knows(&ours, &fresh));
        }
    }
    assert_eq!(texts(&ours.keyring().accepted.memory), TOKENS_PER_PART);
}

#[test]
fn a_million_sessions_take_less_than_two_mebibytes() {
    let clock = ManualClock::at(1_000);
    let tokens = tokens(&clock, "one", None);
    let memory = &tokens.keyring().accepted.memory;
    let claims = tokens.verify(&issue(&tokens, session(0))).unwrap();
    for number in 1..1_000_000 {
        // Bytes as random as those of real ids.
        let id = Uuid::from_u128(u128::wrapping_mul(number, 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        memory.remember(Origin::Verified, id, "a token", Arc::clone(&claims), i64::MAX);
        memory.remember(Origin::Minted, id, "a token", Arc::clone(&claims), i64::MAX);
    }
    // The digests of two ids of the same part are equal once in four thousand million.
    assert!(texts(memory) < 10, "they came once");

    let long = |letters: usize| NewSession {
        profile: Profile::Email { email: "a".repeat(letters), firm_id: Uuid::nil(), role: "viewer".to_owned() },
        ..session(0)
    };
    let letters_of =
        |longest: usize| (1..).take_while(|&letters| issue(&tokens, long(letters)).len() <= longest).last();
    for (longest, kept) in [(BYTES_PER_PART / TOKENS_PER_PART, TOKENS_PER_PART), (LONGEST_TOKEN, 2)] {
        let letters = letters_of(longest).unwrap();
        for number in 0..6_000 {
            let longest = NewSession { session_id: id(number), ..long(letters) };
            for _ in 0..2 {
                tokens.verify(&issue(&tokens, longest.clone())).unwrap();
            }
        }
        assert_eq!(texts(memory), PARTS * kept);
        let of_token = |known: &RememberedToken| {
            assert!(matches!(known.claims.profile, Profile::Email { .. }));
            // Beside the claims are the two counts of the `Arc`.
            longest + letters + "viewer".len() + size_of::<Claims>() + 16 + size_of::<RememberedToken>()
        };
        let of_part = |part: &Part| {
            assert!(part.tokens.capacity() <= TOKENS_PER_PART);
            part.tokens.iter().map(of_token).sum::<usize>() + size_of::<Mutex<Part>>()
        };
        let bytes: usize = memory.parts.iter().map(|part| of_part(&part.lock().unwrap())).sum();
        assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
    }
    let too_long = NewSession { session_id: id(7), ..long(letters_of(LONGEST_TOKEN).unwrap() + 1) };
    let too_long = issue(&tokens, too_long);
    tokens.verify(&too_long).unwrap();
    assert!(!knows(&tokens, &too_long));
}

/// HS256 gives equal claims equal bytes, so every answer can be compared with that of a twin that remembers nothing.
#[test]
fn whatever_happens_each_answer_is_the_one_without_a_memory() {
    let clock = ManualClock::at(1_000);
    let ours = tokens(&clock, "new", Some("old"));
    let forgetful = || tokens(&clock, "new", Some("old"));
    let others = [tokens(&clock, "old", None), tokens(&clock, "forged", None)];
    let mut random = 88_172_645_463_325_252_u64;
    let mut below = |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % end as u64) as usize
    };
    let names = ["ada", "\"\\\u{1f}\u{7f}/", "Ἀλίκη", "", "a\u{0}b"];
    let mut known = Vec::new();
    for step in 0..20_000 {
        clock.advance([0, 0, 0, 0, 0, 1, 1, -1, 30, -29][below(10)]);
        let chosen = session(7 + 256 * below(6) as u128);
        let profile = named(names[below(names.len())]);
        if known.len() < 20 || below(50) == 0 {
            let session = NewSession { profile: profile.clone(), ..chosen };
            known.push(issue(&ours, session.clone()));
            known.push(issue(&others[below(2)], session));
        }
        let recent = known.len().min(40);
        let mut token = known[known.len() - 1 - below(recent)].clone();
        if below(10) == 0 {
            let at = below(token.len());
            token.replace_range(at..=at, "A");
        }
        let verified = ours.verify(&token);
        assert_eq!(verified, forgetful().verify(&token), "step {step}: {token}");
        assert_eq!(ours.verify_former(&token), forgetful().verify_former(&token), "step {step}: {token}");
        if let Ok(claims) = verified {
            let profile = (below(3) == 0).then_some(profile);
            let (fresh, expected) = (ours.refresh(&claims, profile.clone()), forgetful().refresh(&claims, profile));
            let (fresh, expected) = (fresh.unwrap(), expected.unwrap());
            assert_eq!((fresh.token.as_str(), fresh.expires_in), (expected.token.as_str(), expected.expires_in));
            if below(4) == 0 {
                known.push(fresh.token.into_string());
            }
        }
    }
    assert!(texts(&ours.keyring().accepted.memory) > 0);
}
