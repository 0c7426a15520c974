//! Usernames.

use std::fmt;

use super::text;

/// A username in canonical form: trimmed, in lower case, 3 to 15 code points, every one of them visible.
///
/// Source: the username API contract ("username 3–15 characters", "case-insensitive, normalised to lower case").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

impl Username {
    /// Brings `input` into canonical form and judges that. The error says what to change, without the input.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        // Longer than 15 code points of four bytes, trebled by lower-casing and padded by white space, is no name; the
        // bound keeps normalisation from being work that a stranger chooses.
        if input.len() > 1_024 {
            return Err("must have at most 15 characters");
        }
        let canonical = text::canonical(input);
        match canonical.chars().count() {
            0 => Err("is required"),
            1..3 => Err("must have at least 3 characters"),
            16.. => Err("must have at most 15 characters"),
            _ if text::has_at_sign(&canonical) => Err("must not contain @: an email address goes into the field email"),
            _ if text::has_unprintable(&canonical) => Err("must not contain control or invisible characters"),
            _ => Ok(Self(canonical)),
        }
    }

    /// The canonical form.
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
            ("case-folded", "ΟΔΟΣ ſTRAßE", Ok("οδοσ strasse")),
            ("a mark without a letter", "\u{301}bobb", Err("must not contain control or invisible characters")),
            ("two spaces", "two  sp", Err("must not contain control or invisible characters")),
            ("a wide at sign", "a＠b.cd", Err("must not contain @: an email address goes into the field email")),
            ("an email", "a@b.cd", Err("must not contain @: an email address goes into the field email")),
        ] {
            assert_eq!(Username::parse(input).as_ref().map(Username::as_str), expected.as_ref().copied(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn parsing_what_was_parsed_changes_nothing(input in "\\PC{0,20}") {
            if let Ok(name) = Username::parse(&input) {
                prop_assert_eq!(Username::parse(&format!(" {name} ")), Ok(name));
            }
        }

        #[test]
        fn letter_case_makes_no_difference(input in "[a-zA-Z0-9 ]{3,15}") {
            prop_assert_eq!(Username::parse(&input.to_uppercase()), Username::parse(&input.to_lowercase()));
        }

        #[test]
        fn no_input_panics(input in any::<String>()) {
            let _ = Username::parse(&input);
        }
    }
}
