//! What other systems take as a password, and what remains of it when their hashes are replaced: after any sign-ins
//! that the old system would have allowed, the owner's own spelling works, and nothing does that it would have refused.

use std::num::NonZeroU32;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use argon2_kernel::{Kernel, OUTPUT_BYTES};
use aws_lc_rs::{digest as aws, hmac, pbkdf2};
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::super::digest;
use super::super::memory::Memory;
use crate::domain::password_hash::{HashTerms, SinglePasses};
use crate::domain::{Password, PasswordHash};

const SALT: &[u8; 16] = b"saltsaltsaltsalt";
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// Another system, as far as its hashes show it.
struct Maker {
    name: &'static str,
    /// What its scheme looks at. Two texts with the same are the same password to it.
    made: fn(&str) -> Vec<u8>,
    /// How it stores that.
    stored: fn(&[u8]) -> PasswordHash,
}

const MAKERS: [Maker; 13] = [
    Maker { name: "argon2", made: typed, stored: |made| import(&argon2(made, 1)) },
    Maker { name: "argon2 with lanes", made: typed, stored: |made| import(&format!("argon2{}", argon2(made, 4))) },
    Maker { name: "bcrypt", made: by_bcrypt, stored: |made| import(&bcrypt("2b", made)) },
    Maker {
        name: "username API",
        made: |text| by_bcrypt(text.trim_matches(|letter: char| letter.is_whitespace())),
        stored: |made| import(&bcrypt("2b", made)).of_trimmed(),
    },
    Maker {
        name: "Symfony",
        made: |text| {
            let is_whole = text.len() > 72 || text.contains('\0');
            by_bcrypt(&if is_whole { base64(aws::digest(&aws::SHA512, text.as_bytes()).as_ref()) } else { text.into() })
        },
        stored: |made| import(&bcrypt("2y", made)),
    },
    Maker {
        name: "Django bcrypt_sha256",
        made: |text| by_bcrypt(&hex(aws::digest(&aws::SHA256, text.as_bytes()).as_ref())),
        stored: |made| import(&format!("bcrypt_sha256${}", bcrypt("2b", made))),
    },
    Maker {
        name: "WordPress 6.8",
        made: |text| {
            let key = hmac::Key::new(hmac::HMAC_SHA384, b"wp-sha384");
            by_bcrypt(&base64(hmac::sign(&key, slashed(text).as_bytes()).as_ref()))
        },
        stored: |made| import(&format!("$wp{}", bcrypt("2y", made))),
    },
    Maker { name: "WordPress before", made: |text| slashed(text).into_bytes(), stored: |made| phpass("P", made) },
    Maker { name: "phpBB", made: typed, stored: |made| phpass("H", made) },
    Maker {
        name: "better-auth",
        made: |text| without_padding(&text.nfkc().collect::<String>()),
        stored: |made| import(&scrypt("$nfkc$scrypt", made)),
    },
    Maker { name: "scrypt", made: without_padding, stored: |made| import(&scrypt("$scrypt", made)) },
    Maker { name: "PBKDF2", made: without_padding, stored: pbkdf2 },
    Maker { name: "OpenLDAP", made: typed, stored: ssha },
];

fn typed(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn by_bcrypt(text: &str) -> Vec<u8> {
    text.bytes().chain([0]).collect::<Vec<_>>().into_iter().cycle().take(72).collect()
}

fn without_padding(text: &str) -> Vec<u8> {
    if text.len() > 64 { typed(text) } else { typed(text.trim_end_matches('\0')) }
}

fn slashed(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"").replace('\0', "\\0")
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn import(text: &str) -> PasswordHash {
    PasswordHash::import_on(text, &HashTerms { single_passes: SinglePasses::All, ..HashTerms::default() }).unwrap()
}

fn phc(name: &str, output: &[u8]) -> String {
    format!("{name}${}${}", STANDARD_NO_PAD.encode(SALT), STANDARD_NO_PAD.encode(output))
}

fn argon2(made: &[u8], lanes: u32) -> String {
    let params = Params::new(8 * lanes, 1, lanes, None).unwrap();
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(made, SALT, &mut output).unwrap();
    phc(&format!("$argon2id$v=19$m={},t=1,p={lanes}", 8 * lanes), &output)
}

fn bcrypt(name: &str, made: &[u8]) -> String {
    let output = bcrypt::bcrypt(4, *SALT, made);
    format!("${name}$04${}{}", BCRYPT_BASE64.encode(SALT), BCRYPT_BASE64.encode(&output[..23]))
}

fn scrypt(name: &str, made: &[u8]) -> String {
    let mut output = [0; 32];
    scrypt::scrypt(made, SALT, &scrypt::Params::new(1, 1, 1).unwrap(), &mut output).unwrap();
    phc(&format!("{name}$ln=1,r=1,p=1"), &output)
}

fn pbkdf2(made: &[u8]) -> PasswordHash {
    let mut output = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::MIN, SALT, made, &mut output);
    import(&phc("$pbkdf2-sha256$i=1", &output))
}

/// The output of 128 iterations of MD5, which only the code under test can write as text.
fn phpass(name: &str, made: &[u8]) -> PasswordHash {
    let blank = PasswordHash::import(&format!("$H$5saltsalt{}", ".".repeat(22))).unwrap();
    let output = raw(&blank, std::str::from_utf8(made).unwrap());
    import(&format!("${name}$5saltsalt{}", std::str::from_utf8(&output[..22]).unwrap()))
}

fn ssha(made: &[u8]) -> PasswordHash {
    let salted = [made, SALT].concat();
    let mut stored = aws::digest(&aws::SHA1_FOR_LEGACY_USE_ONLY, &salted).as_ref().to_vec();
    stored.extend(SALT);
    import(&format!("{{SSHA}}{}", base64(&stored)))
}

fn raw(hash: &PasswordHash, text: &str) -> Vec<u8> {
    let password = Password::parse(text.to_owned(), 0).unwrap();
    let mut memory = Memory::new(8, Arc::default());
    digest::compute(hash, &password, Kernel::PORTABLE, &mut memory).unwrap().to_vec()
}

/// The spelling that matches, as the lane finds it.
fn matched(hash: &PasswordHash, text: &str) -> Option<usize> {
    let expected = hash.output();
    raw(hash, text).chunks(expected.len()).position(|output| output == expected)
}

/// The hash that replaces one at a sign-in.
fn renewed(hash: &PasswordHash, text: &str, spelling: usize) -> PasswordHash {
    let renewal = hash.renewal(&Password::parse(text.to_owned(), 0).unwrap(), spelling).unwrap();
    let params = Params::new(8, 1, 1, None).unwrap();
    let mut memory = Memory::new(8, Arc::default());
    let output = digest::argon2id(&renewal.input, SALT, &params, Kernel::PORTABLE, &mut memory).unwrap();
    assert_eq!(output.len(), OUTPUT_BYTES);
    let new = PasswordHash::new(&params, SALT, &output).unwrap().with_rule_of(&renewal);
    // It is stored and read again.
    PasswordHash::parse(&new.to_phc()).unwrap()
}

/// Texts that are, or look like, the same password to some maker.
fn spellings(own: &str) -> Vec<String> {
    let cut = |at: usize| own.chars().take(at).collect::<String>();
    let mut texts = vec![
        own.nfc().collect(),
        own.nfd().collect(),
        own.nfkc().collect(),
        own.nfkd().collect(),
        own.trim().to_owned(),
        format!(" {own}\n"),
        format!("{own}x"),
        format!("{own}\0"),
        format!("{own}\0{own}"),
        slashed(own),
        slashed(&slashed(own)),
        hex(aws::digest(&aws::SHA256, own.as_bytes()).as_ref()),
        base64(aws::digest(&aws::SHA512, own.as_bytes()).as_ref()),
        cut(1),
        cut(70),
        cut(72),
        format!("{}yz", cut(72)),
        own.to_uppercase(),
        own.to_owned(),
    ];
    texts.retain(|text| !text.is_empty() && text.len() <= 1_024);
    texts
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 48 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_was_typed_before_the_owners_spelling_works_and_nothing_else(
        own in prop_oneof![
            "[ a'\"\\\\é\u{301}ﬁÅ\u{212b}ড়]{1,12}",
            "[a'é\u{301}]{60,80}",
            "[ a-z]{1,8}",
        ],
        sequence in proptest::collection::vec(any::<prop::sample::Index>(), 1..6),
        maker in 0..MAKERS.len(),
    ) {
        let Maker { name, made, stored } = &MAKERS[maker];
        let own_made = made(&own);
        // A hash does not tell whether 72 bytes were cut, or hashed whole because they are not more.
        prop_assume!(!own.trim().is_empty() && (*name != "Symfony" || own.len() != 72));
        let composed = |text: &str| text.nfc().collect::<String>();
        let was_taken = |text: &str| made(text) == own_made;
        // Spellings that Unicode calls the same are the same to us.
        let may_be_taken = |text: &str| {
            was_taken(text) || was_taken(&composed(text)) || made(&composed(text)) == made(&composed(&own))
        };
        let mut hash = PasswordHash::parse(&stored(&own_made).to_phc()).unwrap();
        let mut all = spellings(&own);
        // Symfony takes the first 72 bytes of this text, and its hash does not tell that it takes no more.
        let sha512 = base64(aws::digest(&aws::SHA512, own.as_bytes()).as_ref());
        all.retain(|text| *name != "Symfony" || *text != sha512);
        for text in sequence.iter().map(|index| index.get(&all)).chain(&all) {
            if let Some(spelling) = matched(&hash, text) {
                prop_assert!(may_be_taken(text), "{name} refused {text:?}, not {own:?}");
                if was_taken(text) {
                    hash = renewed(&hash, text, spelling);
                    prop_assert!(!hash.is_weaker_than(&Params::new(8, 1, 1, None).unwrap()), "{name}: {}", hash.to_phc());
                }
            }
            prop_assert!(matched(&hash, &own).is_some(), "{name}: {own:?} after {text:?}: {}", hash.to_phc());
        }
    }
}

#[test]
fn each_maker_takes_its_password_at_first_and_has_a_rule_that_goes_on() {
    for Maker { name, made, stored } in &MAKERS {
        for own in [" pass'wo\"rd\\ ", "pa\u{308}ssword", &"0123456789".repeat(9)] {
            let hash = stored(&made(own));
            assert!(matched(&hash, own).is_some(), "{name}: {own:?}");
            assert!(matched(&hash, "another").is_none(), "{name}: {own:?}");
        }
    }
}
