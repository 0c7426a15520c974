//! Email addresses.

use std::fmt;

use email_address::{EmailAddress, Options};

use super::text;

/// An email address in canonical form: trimmed, in lower case, at most 254 bytes of ASCII, `local@domain.tld` with no
/// quoted local part.
///
/// Source: the email API contract ("unique across firms, compared in canonical (lower-case) form"); RFC 5321 for the
/// lengths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

impl Email {
    /// Brings `input` into canonical form and judges that. The error says what to change, without the input.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        if input.len() > 1_024 {
            return Err("must have at most 254 bytes");
        }
        let canonical = text::canonical(input);
        if canonical.is_empty() {
            return Err("is required");
        }
        // The typed text is tested, because folding can turn another letter into an ASCII one, and so name another
        // mailbox.
        if !input.is_ascii() {
            return Err("must be in ASCII (for an internationalised domain, its xn-- form)");
        }
        if canonical.len() > 254 {
            return Err("must have at most 254 bytes");
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let address =
            EmailAddress::parse_with_options(&canonical, options).map_err(|_| "must be a valid email address")?;
        // A mailbox has one spelling here; a quoted local part would be a second one.
        if address.local_part().contains('"') || text::has_unprintable(&canonical) {
            return Err("must be a valid email address");
        }
        Ok(Self(canonical))
    }

    /// Takes an address from the database without judging it.
    pub(crate) fn stored(text: String) -> Option<Self> {
        text::stored(text).map(Self)
    }

    /// Returns the canonical form as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Email;

    #[test]
    fn an_email_is_judged_in_its_canonical_form() {
        let invalid = Err("must be a valid email address");
        let not_ascii = Err("must be in ASCII (for an internationalised domain, its xn-- form)");
        for (name, input, expected) in [
            ("lower-cased and trimmed", " Ada@Example.COM ", Ok("ada@example.com")),
            ("tagged", "ada+tag@example.com", Ok("ada+tag@example.com")),
            ("empty", "", Err("is required")),
            ("no at", "ada.example.com", invalid),
            ("two ats", "a@b@example.com", invalid),
            ("no top-level domain", "ada@localhost", invalid),
            ("a literal", "ada@[127.0.0.1]", invalid),
            ("a display name", "Ada <ada@example.com>", invalid),
            ("quoted", "\"ada\"@example.com", invalid),
            ("a space", "a da@example.com", invalid),
            ("NUL", "a\0da@example.com", invalid),
            ("zero-width space", "a\u{200B}da@example.com", not_ascii),
            ("internationalised domain", "ada@exämple.com", not_ascii),
            ("a letter that folds to another", "ſam@example.com", not_ascii),
        ] {
            assert_eq!(Email::parse(input).as_ref().map(Email::as_str), expected.as_ref().copied(), "{name}");
        }
        assert_eq!(Email::parse(&format!("ada@{}.com", "a.".repeat(130))), Err("must have at most 254 bytes"));
    }

    #[test]
    fn the_canonical_form_of_each_character_of_an_address_is_its_own() {
        for character in '\0'..='\u{7F}' {
            if let Ok(email) = Email::parse(&format!("a{character}B@{character}X.ORG")) {
                assert_eq!(Email::parse(email.as_str()), Ok(email), "{character:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn parsing_what_was_parsed_changes_nothing(input in "[a-zA-Z.+]{1,9}@[a-zA-Z-]{1,9}\\.[a-zA-Z]{2,4}") {
            if let Ok(email) = Email::parse(&input) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert_eq!(Email::parse(&input.to_uppercase()), Ok(email));
            }
        }

        #[test]
        fn no_input_panics(input in "\\PC{0,300}") {
            let _ = Email::parse(&input);
        }
    }
}
