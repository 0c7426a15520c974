//! The rules for a password when it is set. Separate from the types of passwords, because the operator chooses and
//! changes these rules, and a sign-in never applies them: a stricter rule locks no account out.
//!
//! This module is pure. [`breaches`](crate::breaches) reads the file of breached passwords.

mod common;
mod context;
mod preset;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{Password, text};

pub use context::PasswordContext;
pub(crate) use preset::LowerThanPreset;
pub use preset::PolicyPreset;

/// The rules for new passwords.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    username_floor: usize,
    email_floor: usize,
    /// Whether common passwords and those made of the context's words are refused.
    screens: bool,
}

/// The text for minimum lengths from 1 to [`PasswordPolicy::HIGHEST_FLOOR`]: what a client is told is fixed text.
macro_rules! too_short {
    ($($floor:literal)*) => {
        [$(concat!("must have at least ", $floor, " characters")),*]
    };
}
const TOO_SHORT: [&str; PasswordPolicy::HIGHEST_FLOOR] = too_short![
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
    33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
];

impl PasswordPolicy {
    /// The largest minimum that may be set. NIST SP 800-63B-4 requires that passwords of 64 characters are accepted.
    pub const HIGHEST_FLOOR: usize = 64;

    /// Makes a policy of a preset and an optional minimum of code points, 1 to [`Self::HIGHEST_FLOOR`], which raises
    /// that of the preset.
    pub fn new(preset: PolicyPreset, min_length: Option<usize>) -> Result<Self, LowerThanPreset> {
        let (username_floor, email_floor) = preset.floors();
        let asked = min_length.unwrap_or(username_floor).min(Self::HIGHEST_FLOOR);
        if asked < username_floor {
            return Err(LowerThanPreset { asked, floor: username_floor, preset });
        }
        Ok(Self {
            username_floor: asked.max(username_floor),
            email_floor: asked.max(email_floor),
            screens: preset != PolicyPreset::Contract,
        })
    }

    /// Judges a password for an account. The error says what to change, without the password.
    pub(super) fn judge(&self, password: &Password, context: &PasswordContext) -> Result<(), &'static str> {
        let floor = if context.is_email() { self.email_floor } else { self.username_floor };
        if password.as_str().chars().count() < floor {
            return Err(TOO_SHORT[floor - 1]);
        }
        if !self.screens {
            return Ok(());
        }
        let folded = fold(password.as_str());
        if common::is_common(&folded) {
            Err("is among the most common passwords: choose another")
        } else if common::is_repetition(&folded) {
            Err("is a few characters over and over: choose another")
        } else if context.is_all_there_is_to(&folded) {
            Err("is little more than a name or address of yours, or this service's name: choose another")
        } else {
            Ok(())
        }
    }
}

/// Returns a text in the form that an attacker tries: compatibility forms such as full width and ligatures made one
/// (NFKC), and one letter case, as in names. It is for comparison only; hashing keeps every difference.
fn fold(password: &str) -> Zeroizing<String> {
    // Composing by compatibility can grow a text elevenfold. The capacity is reserved once, so that growing leaves no
    // copy behind.
    let mut folded = Zeroizing::new(String::with_capacity(16 * password.len()));
    folded.extend(text::one_case(password.nfkc()).nfkc());
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PasswordContext, PasswordPolicy, PolicyPreset};
    use crate::domain::{Email, NewPassword, Username};

    const COMMON: &str = "is among the most common passwords: choose another";
    const REPEATED: &str = "is a few characters over and over: choose another";
    const CONTEXT: &str = "is little more than a name or address of yours, or this service's name: choose another";

    fn alice() -> PasswordContext {
        PasswordContext::of_username(Some(&Username::parse("alice").unwrap()))
    }

    fn ada() -> PasswordContext {
        PasswordContext::of_email(Some(&Email::parse("lovelace@example.com").unwrap()), None, None)
    }

    fn policy(preset: PolicyPreset, min_length: Option<usize>) -> PasswordPolicy {
        PasswordPolicy::new(preset, min_length).unwrap()
    }

    #[test]
    fn each_preset_asks_for_what_it_says() {
        use PolicyPreset::{AsvsL1, Contract, Nist80063b4};
        let at_least = |length: usize| super::TOO_SHORT[length - 1];
        for (preset, context, password, expected) in [
            (Contract, alice(), "alice", Ok(())),
            (Contract, alice(), "four", Err(at_least(5))),
            (Contract, alice(), "", Err("is required")),
            (Contract, ada(), "password", Ok(())),
            (Contract, ada(), "seven77", Err(at_least(8))),
            (AsvsL1, alice(), "seven77", Err(at_least(8))),
            (AsvsL1, alice(), "s3cur3pass", Ok(())),
            (AsvsL1, ada(), "PassWord", Err(COMMON)),
            (AsvsL1, alice(), "ｐａｓｓｗｏｒｄ", Err(COMMON)),
            (AsvsL1, alice(), "abcabcabc", Err(REPEATED)),
            (AsvsL1, alice(), "ALICE-2027", Err(CONTEXT)),
            (AsvsL1, ada(), "ALICE-2027", Ok(())),
            (AsvsL1, ada(), "Example1!", Err(CONTEXT)),
            (AsvsL1, ada(), "countersign", Err(CONTEXT)),
            (Nist80063b4, alice(), "fourteen chars", Err(at_least(15))),
            (Nist80063b4, ada(), "fifteen chars !", Ok(())),
            (Nist80063b4, ada(), "passwordpassword", Err(COMMON)),
            (Nist80063b4, ada(), "iloveyouiloveyou", Err(REPEATED)),
            (Nist80063b4, ada(), "lovelace@example.com", Err(CONTEXT)),
            (Nist80063b4, ada(), "lovelace keeps nine grey geese", Ok(())),
        ] {
            let judged = NewPassword::parse(password.to_owned(), &policy(preset, None), &context);
            assert_eq!(judged.map(|_| ()), expected, "{}: {password}", preset.as_str());
        }
        let longest = NewPassword::parse("x".repeat(1_025), &policy(Contract, None), &alice());
        assert_eq!(longest.unwrap_err(), "must have at most 1024 bytes");
    }

    #[test]
    fn a_minimum_of_ones_own_only_raises() {
        for (preset, min_length, floors) in [
            (PolicyPreset::Contract, Some(5), (5, 8)),
            (PolicyPreset::Contract, Some(7), (7, 8)),
            (PolicyPreset::Contract, Some(12), (12, 12)),
            (PolicyPreset::AsvsL1, Some(8), (8, 8)),
            (PolicyPreset::Nist80063b4, Some(64), (64, 64)),
        ] {
            let policy = policy(preset, min_length);
            assert_eq!((policy.username_floor, policy.email_floor), floors, "{} {min_length:?}", preset.as_str());
        }
        let refused = PasswordPolicy::new(PolicyPreset::AsvsL1, Some(7)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "PASSWORD_MIN_LENGTH=7 is less than the 8 characters of PASSWORD_POLICY=asvs-l1, which it can only raise: \
             leave it out, or set it to 8 or more"
        );
        assert!(PasswordPolicy::new(PolicyPreset::Contract, Some(4)).is_err());
        assert!(PasswordPolicy::new(PolicyPreset::Nist80063b4, Some(14)).is_err());
    }

    #[test]
    fn what_is_hashed_keeps_what_is_folded_for_comparing() {
        // The password is composed (NFC), and neither in lower case nor in another width.
        let password = NewPassword::parse(
            "Ｃafe\u{301} ﬁn de siècle".to_owned(),
            &policy(PolicyPreset::Nist80063b4, None),
            &ada(),
        );
        assert_eq!(password.unwrap().as_password().as_bytes(), "Ｃafé ﬁn de siècle".as_bytes());
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_is_refused_is_not_quoted(input in "\\PC{0,80}") {
            for preset in PolicyPreset::ALL {
                for context in [alice(), ada()] {
                    let judged = NewPassword::parse(input.clone(), &policy(preset, None), &context);
                    if let Err(said) = judged {
                        prop_assert!(input.chars().count() < 8 || !said.contains(&input));
                    }
                }
            }
        }

        #[test]
        fn folding_never_grows_beyond_what_was_reserved(input in "\\PC{0,80}") {
            let folded = super::fold(&input);
            prop_assert!(folded.len() <= 16 * input.len());
        }
    }
}
