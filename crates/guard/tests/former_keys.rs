//! Keys that change: a switch of the algorithm and back, a rotation, and a key that is revoked.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

mod support;

use std::sync::Arc;

use countersign_guard::clock::ManualClock;
use countersign_guard::token::{Asymmetric, FormerKey, Keyring, Limit, TokenError, Tokens};

use support::{ALL, ISSUER, NOW, issue, keyring, pair, secret, segment, session, tokens};

/// The longest lifetime of a token, in seconds.
const LIFETIME: i64 = 600;

/// The limit of what was replaced at [`NOW`].
const REPLACED: Limit = Limit { last_iat: NOW, until: NOW + LIFETIME };

/// Tells whether the token is in the memory.
fn knows(tokens: &Tokens, token: &str) -> bool {
    Arc::ptr_eq(&tokens.verify_former(token).unwrap(), &tokens.verify_former(token).unwrap())
}

/// A switch from a secret to a key, and the way back: the keyrings before and after it.
fn switches(algorithm: Asymmetric) -> [(&'static str, Keyring, Keyring); 2] {
    let key = pair(algorithm);
    let public = FormerKey::Public(key.ours.public().clone());
    let to_key = keyring().signing_with(key.again()).accepting_former(FormerKey::Secret(secret("one")), REPLACED);
    let back = keyring().accepting_former(public, REPLACED);
    [("to a key", keyring(), to_key), ("back", keyring().signing_with(key.ours), back)]
}

#[test]
fn a_switch_signs_nobody_out_and_ends_the_former_key() {
    for algorithm in ALL {
        for (name, before, after) in switches(algorithm) {
            let clock = ManualClock::at(NOW);
            // One process has not heard of the switch, the other has.
            let late = ManualClock::at(NOW);
            let (old, new) = (tokens(&late, before), tokens(&clock, after));
            let token = issue(&old, session(2));
            let claims = new.verify(&token).unwrap();
            let fresh = new.refresh(&claims, None).unwrap().token;
            let (header, theirs) = (segment(fresh.as_str(), 0), segment(&token, 0));
            assert_ne!(header, theirs, "{name}: it slides to the new kind");
            let fresh = new.verify(fresh.as_str()).unwrap();
            assert_eq!((fresh.sid, fresh.auth_time, fresh.exp), (claims.sid, claims.auth_time, claims.exp), "{name}");
            assert_eq!(fresh.iss.as_deref(), header.contains("kid").then_some(ISSUER), "{name}");

            late.advance(1);
            assert_eq!(
                new.verify(&issue(&old, session(3))),
                Err(TokenError::Invalid),
                "{name}: minted after the switch"
            );

            assert!(knows(&new, &token), "{name}");
            clock.advance(LIFETIME - 1);
            new.verify(&token).unwrap();
            assert!(knows(&new, &token), "{name}");
            clock.advance(1);
            for asked in [new.verify(&token), new.verify_former(&token)] {
                assert_eq!(asked, Err(TokenError::Invalid), "{name}: the key verifies nothing any more");
            }
            clock.advance(-1);
            new.verify(&token).unwrap();
        }
    }
}

#[test]
fn a_former_secret_verifies_nothing_but_what_its_limit_allows() {
    let clock = ManualClock::at(NOW);
    let old = tokens(&clock, keyring());
    let token = issue(&old, session(2));
    let verify = |keyring: Keyring| tokens(&clock, keyring).verify(&token).map(drop);
    let key = || pair(Asymmetric::Es256).ours;
    let former = |limit| keyring().signing_with(key()).accepting_former(FormerKey::Secret(secret("one")), limit);
    assert_eq!(verify(keyring().signing_with(key())), Err(TokenError::Invalid), "secrets only seal");
    assert_eq!(verify(keyring().accepting(key().public().clone())), Ok(()), "another key is accepted beside it");
    for (limit, expected) in [
        (REPLACED, Ok(())),
        (Limit { last_iat: NOW - 1, ..REPLACED }, Err(TokenError::Invalid)),
        (Limit { until: NOW, ..REPLACED }, Err(TokenError::Invalid)),
        (Limit { until: NOW + 1, ..REPLACED }, Ok(())),
    ] {
        assert_eq!(verify(former(limit)), expected, "{limit:?}");
    }
    let sealed = old.seal("page", b"payload");
    let new = tokens(&clock, keyring().signing_with(key()));
    assert_eq!(new.unseal("page", &sealed).as_deref(), Some(&b"payload"[..]), "page tokens survive the switch");
}

#[test]
fn keys_rotate_under_all_clones_and_no_token_outlasts_its_key() {
    for algorithm in ALL {
        let clock = ManualClock::at(NOW);
        let [first, second, third] = [(); 3].map(|()| pair(algorithm).ours);
        let publics = [&first, &second, &third].map(|key| key.public().clone());
        let [one, two, three] = publics;
        let ours = tokens(&clock, keyring().signing_with(first).accepting(two.clone()));
        let clone = ours.clone();
        let token = issue(&ours, session(2));
        for _ in 0..2 {
            clone.verify(&token).unwrap();
        }
        assert!(knows(&clone, &token));

        ours.replace_keyring(keyring().signing_with(second).accepting(one).accepting(three.clone()));
        let claims = clone.verify(&token).unwrap();
        let fresh = clone.refresh(&claims, None).unwrap().token.into_string();
        assert!(segment(&fresh, 0).contains(two.id()), "the next key signs");
        // Remembered again, and then its key is revoked.
        for _ in 0..2 {
            ours.verify(&token).unwrap();
        }
        assert!(knows(&ours, &token));
        clone.replace_keyring(keyring().signing_with(third).accepting(two));
        assert_eq!(ours.verify(&token), Err(TokenError::Invalid));
        ours.verify(&fresh).unwrap();
        clone.replace_keyring(keyring().accepting(three));
        assert_eq!(ours.verify(&fresh), Err(TokenError::Invalid));
    }
}

#[test]
fn keys_that_are_replaced_all_the_time_refuse_nothing() {
    let clock = ManualClock::at(NOW);
    let keys = [(); 4].map(|()| pair(Asymmetric::EdDsa));
    let ring = |signing: usize| {
        let ring = keyring().signing_with(keys[signing].again());
        keys.iter().fold(ring, |ring, key| ring.accepting(key.ours.public().clone()))
    };
    let ours = tokens(&clock, ring(0));
    std::thread::scope(|scope| {
        let users: Vec<_> = (0..3)
            .map(|user| {
                let ours = ours.clone();
                scope.spawn(move || {
                    let mut token = issue(&ours, session(user + 2));
                    for _ in 0..300 {
                        let claims = ours.verify(&token).unwrap();
                        token = ours.refresh(&claims, None).unwrap().token.into_string();
                    }
                })
            })
            .collect();
        for turn in 0..300 {
            ours.replace_keyring(ring(turn % keys.len()));
        }
        users.into_iter().for_each(|user| user.join().unwrap());
    });
}
