//! Usernames, and the four ways to read one.

use std::fmt;

use super::{lookalike, text};

/// The longest input in bytes. A name that fits has at most 15 code points of four bytes, tripled by folding and padded
/// by white space; the bound limits the work of normalisation.
const LONGEST_INPUT: usize = 1_024;

/// The most code points of an imported name: as many as an email address has, so that the commands find it.
const LONGEST_IMPORTED: usize = 254;

const TOO_LONG: &str = "must have at most 15 characters";
const EMPTY: &str = "is required";
const AN_EMAIL: &str = "must not contain @: an email address goes into the field email";
const CONTROL: &str = "must not contain control characters";
const INVISIBLE: &str = "must not contain control or invisible characters";

/// A username. There are four ways to read one: [`Self::parse`] for a new name, [`Self::imported`] for a name from
/// another system, [`Self::typed`] for a name to look up, and a name from the database, which is not judged.
///
/// The first three give the canonical form: trimmed, in lower case and composed. New names have 3 to 15 code points,
/// all of them visible. An imported name keeps what its system allowed, also an `@`; it is still no email address.
///
/// Source: the username API contract ("username 3–15 characters", "case-insensitive, normalised to lower case").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

impl Username {
    /// Reads the name of a new account, or a new name of one, in canonical form. The error says what to change, without
    /// the input.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        let username = Self::of_good_length(input)?;
        lookalike::problem(&username.0).map_or(Ok(username), Err)
    }

    /// Reads a name from another system. The rules for new names do not apply, because its owner could not sign in by
    /// another name. A control character is refused, because no database and no terminal handles all of them. A letter
    /// that folds into two is refused: the resulting name may be that of another account there.
    pub fn imported(input: &str) -> Result<Self, &'static str> {
        let username = Self::typed(input)?;
        let length = username.0.chars().count();
        if length > LONGEST_IMPORTED {
            return Err("must have at most 254 characters");
        }
        if text::small(input).chars().count() == length {
            Ok(username)
        } else {
            Err(
                "has a letter that is stored as two letters, as ß is stored as ss: rename the account in the old system",
            )
        }
    }

    /// Reads a name to look up. The rules for new names do not apply.
    pub fn typed(input: &str) -> Result<Self, &'static str> {
        if input.len() > LONGEST_INPUT {
            return Err("must have at most 1024 bytes");
        }
        let canonical = text::canonical(input);
        match () {
            () if canonical.is_empty() => Err(EMPTY),
            // Not every database accepts a NUL.
            () if canonical.chars().any(char::is_control) => Err(CONTROL),
            () => Ok(Self(canonical)),
        }
    }

    /// Returns the lower-case form if it differs from the canonical form. Earlier versions stored `ẞ` as `ß`, which is
    /// `ss` in canonical form. The owner of such a name signs in by this form, unless another account has the canonical
    /// one.
    pub(super) fn as_once_stored(input: &str) -> Option<Self> {
        let small = text::small(input);
        (small != text::canonical(input)).then_some(Self(small))
    }

    /// Takes a name from the database without judging it.
    pub(crate) fn stored(text: String) -> Option<Self> {
        text::stored(text).map(Self)
    }

    /// Whether looking the name up finds it. A name for which that is false was stored by an earlier version.
    pub fn is_canonical(&self) -> bool {
        text::canonical(&self.0) == self.0
    }

    fn of_good_length(input: &str) -> Result<Self, &'static str> {
        if input.len() > LONGEST_INPUT {
            return Err(TOO_LONG);
        }
        let canonical = text::canonical(input);
        match canonical.chars().count() {
            0 => Err(EMPTY),
            1..3 => Err("must have at least 3 characters"),
            16.. => Err(TOO_LONG),
            _ if text::has_at_sign(&canonical) => Err(AN_EMAIL),
            _ if text::has_unprintable(&canonical) => Err(INVISIBLE),
            _ => Ok(Self(canonical)),
        }
    }

    /// Returns the canonical form as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Username;

    #[test]
    fn a_username_is_judged_in_its_canonical_form() {
        for (name, input, expected) in [
            ("lower-cased and trimmed", "  ALICE ", Ok("alice")),
            ("spaces inside and emoji are fine", "al 🦀 ice", Ok("al 🦀 ice")),
            ("composed", "Zoe\u{308}", Ok("zoë")),
            ("shortest", "abc", Ok("abc")),
            ("longest", "abcdefghijklmno", Ok("abcdefghijklmno")),
            ("empty", "", Err("is required")),
            ("blank", "   ", Err("is required")),
            ("too short once trimmed", " ab ", Err("must have at least 3 characters")),
            ("too long", "abcdefghijklmnop", Err("must have at most 15 characters")),
            ("too long once lower-cased", "İİİİİİİİ", Err("must have at most 15 characters")),
            ("NUL", "ali\0ce", Err("must not contain control or invisible characters")),
            ("tab", "ali\tce", Err("must not contain control or invisible characters")),
            ("zero-width space", "ali\u{200B}ce", Err("must not contain control or invisible characters")),
            ("right-to-left override", "ali\u{202E}ce", Err("must not contain control or invisible characters")),
            ("no-break space", "ali\u{A0}ce", Err("must not contain control or invisible characters")),
            ("Hangul filler", "ali\u{3164}ce", Err("must not contain control or invisible characters")),
            ("variation selector", "ali\u{FE0F}ce", Err("must not contain control or invisible characters")),
            ("case-folded", "ſTRAßE", Ok("strasse")),
            ("a sigma at the end", "ΟΔΟΣ οδος", Ok("οδοσ οδοσ")),
            ("a capital that has none", "JEẞICA", Ok("jessica")),
            ("too long once folded", "ẞẞẞẞẞẞẞẞ", Err("must have at most 15 characters")),
            ("dotless", "ıIi", Ok("iii")),
            ("dotted", "İstanbul", Err("must not contain İ or a second dot on a letter: type i")),
            ("what stands for an object", "ali\u{FFFC}ce", Err("must not contain control or invisible characters")),
            ("a mark without a letter", "\u{301}bobb", Err("must not contain control or invisible characters")),
            ("two spaces", "two  sp", Err("must not contain control or invisible characters")),
            ("a wide at sign", "a＠b.cd", Err("must not contain @: an email address goes into the field email")),
            ("an email", "a@b.cd", Err("must not contain @: an email address goes into the field email")),
        ] {
            assert_eq!(Username::parse(input).as_ref().map(Username::as_str), expected.as_ref().copied(), "{name}");
        }
    }

    #[test]
    fn who_has_a_name_is_found_by_it_though_nobody_may_be_called_so_any_more() {
        for (typed, canonical) in [
            ("ẞẞẞẞẞẞẞẞ", "ssssssssssssssss"),
            ("ＡＬＩＣＥ", "ａｌｉｃｅ"),
            ("Аlice", "аlice"),
            ("İpek", "i\u{307}pek"),
            ("I\u{307}pek", "i\u{307}pek"),
            ("al", "al"),
            ("A@b.cd", "a@b.cd"),
            ("two  spaces", "two  spaces"),
            ("ali\u{FFFC}ce", "ali\u{FFFC}ce"),
        ] {
            assert_eq!(Username::typed(typed).unwrap().as_str(), canonical);
            assert!(Username::parse(typed).is_err(), "{typed}");
        }
        assert_eq!(Username::typed("ali\0ce"), Err("must not contain control characters"));
        assert_eq!(Username::typed(" \u{3000}"), Err("is required"));
        assert_eq!(Username::typed(&"a".repeat(1_025)), Err("must have at most 1024 bytes"));
    }

    #[test]
    fn what_an_earlier_version_stored_is_what_is_typed_in_small_letters() {
        let once = |typed| Username::as_once_stored(typed).map(|name| name.as_str().to_owned());
        for typed in [" JEẞICA", "jeẞica", "jeßica"] {
            assert_eq!(once(typed).as_deref(), Some("jeßica"));
        }
        assert_eq!(once("Jessica"), None);
        assert!(!Username::stored("jeßica".to_owned()).unwrap().is_canonical());
        assert!(Username::stored("i\u{307}pek".to_owned()).unwrap().is_canonical());
        assert_eq!(Username::stored(String::new()).or(Username::stored("a\0".to_owned())), None);
    }

    #[test]
    fn an_imported_name_keeps_its_letters_or_is_refused() {
        assert_eq!(Username::imported("Ａlice").map(|name| name.as_str().to_owned()), Ok("ａlice".to_owned()));
        assert_eq!(Username::imported("ΝΙΚΟς").map(|name| name.as_str().to_owned()), Ok("νικοσ".to_owned()));
        for kept_as_two in ["jeßica", "jeẞica", "ﬁona"] {
            assert!(Username::imported(kept_as_two).unwrap_err().starts_with("has a letter"), "{kept_as_two}");
        }
        for kept in ["a", "a@b.cd", "two  spaces", "ali\u{200B}ce", "more than fifteen letters", "ali\u{A0}ce"] {
            assert_eq!(Username::imported(kept).map(|name| name.to_string()), Ok(kept.to_owned()));
        }
        assert_eq!(Username::imported("ali\tce"), Err("must not contain control characters"));
        assert!(Username::imported(&"ä".repeat(254)).is_ok());
        assert_eq!(Username::imported(&"ä".repeat(255)), Err("must have at most 254 characters"));
        assert_eq!(Username::imported(" "), Err("is required"));
    }

    proptest! {
        #[test]
        fn parsing_what_was_parsed_changes_nothing(input in "\\PC{0,20}") {
            if let Ok(name) = Username::parse(&input) {
                prop_assert!(name.is_canonical());
                prop_assert_eq!(Username::typed(&input), Ok(name.clone()));
                prop_assert_eq!(Username::parse(&format!(" {name} ")), Ok(name));
            }
        }

        #[test]
        fn letter_case_makes_no_difference(input in "[a-zA-Z0-9 ]{3,15}") {
            prop_assert_eq!(Username::parse(&input.to_uppercase()), Username::parse(&input.to_lowercase()));
        }

        #[test]
        fn no_input_panics(input in any::<String>()) {
            let _ = (Username::parse(&input), Username::typed(&input), Username::imported(&input));
        }
    }
}
