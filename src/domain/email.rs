//! Email addresses, and the two ways to read one.

use std::fmt;

use email_address::{EmailAddress, Options};
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::text;

const INVALID: &str = "must be a valid email address";
const TOO_LONG: &str = "must have at most 254 bytes";

/// An email address in canonical form: trimmed, in lower case, at most 254 bytes of ASCII, `local@domain.tld` with no
/// quoted local part. An internationalised domain is in its `xn--` form. There are two ways to read one:
/// [`Self::parse`] for a new address, and [`Self::typed`] for one that an account may have already.
///
/// Source: the email API contract ("unique across firms, compared in canonical (lower-case) form"); RFC 5321 for the
/// lengths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

impl Email {
    /// Reads the address of a new account, or a new address of one, in canonical form. Its domain is one that can
    /// exist. The error says what to change, without the input.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        let email = Self::typed(input)?;
        let domain = email.0.rsplit('@').next().unwrap_or_default();
        let top = domain.rsplit('.').next().unwrap_or_default();
        // A top-level domain in digits would be an IPv4 address.
        let is_address = top.bytes().all(|byte| byte.is_ascii_digit());
        if is_address || ascii_domain(domain).is_none_or(|same| same != domain) {
            return Err("must have a domain of letters, digits and hyphens after the @, as in example.com");
        }
        Ok(email)
    }

    /// Reads an address to look up, or one from another system, in canonical form. Addresses with a domain that cannot
    /// exist are accepted, because earlier versions stored them.
    pub fn typed(input: &str) -> Result<Self, &'static str> {
        if input.len() > 1_024 {
            return Err(TOO_LONG);
        }
        let typed = input.trim();
        if typed.is_empty() {
            return Err("is required");
        }
        let canonical = match typed.rsplit_once('@') {
            Some((local, domain)) if !domain.is_ascii() => format!("{local}@{}", ascii_domain(domain).ok_or(INVALID)?),
            _ => typed.to_owned(),
        };
        // Letters are not folded, because another letter that becomes an ASCII one would name another mailbox.
        if !canonical.is_ascii() {
            return Err("must be in ASCII before the @");
        }
        let canonical = canonical.to_ascii_lowercase();
        if canonical.len() > 254 {
            return Err(TOO_LONG);
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let address = EmailAddress::parse_with_options(&canonical, options).map_err(|_| INVALID)?;
        // A mailbox has one spelling here; a quoted local part would be a second one.
        if address.local_part().contains('"') || text::has_unprintable(&canonical) {
            return Err(INVALID);
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

/// A domain in lower case, with `xn--` forms for labels that are not ASCII (UTS 46); `None` of a text that cannot be
/// the name of a host.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().map(Into::into)
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
        let not_ascii = Err("must be in ASCII before the @");
        let no_domain = Err("must have a domain of letters, digits and hyphens after the @, as in example.com");
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
            ("internationalised domain", "Ada@EXÄMPLE.com", Ok("ada@xn--exmple-cua.com")),
            ("the same domain, decomposed", "ada@exa\u{308}mple.com", Ok("ada@xn--exmple-cua.com")),
            ("the same domain in its xn-- form", "ada@XN--exmple-cua.com", Ok("ada@xn--exmple-cua.com")),
            ("a sharp s, which is a letter of its own", "ada@straße.de", Ok("ada@xn--strae-oqa.de")),
            ("an internationalised top-level domain", "ada@例え.テスト", Ok("ada@xn--r8jz45g.xn--zckzah")),
            ("an xn-- form of nothing", "ada@xn--a.com", no_domain),
            ("an internationalised domain with an underscore", "ada@ex_ämple.com", invalid),
            ("a letter that folds to another", "ſam@example.com", not_ascii),
            ("internationalised before the @", "ädä@exämple.com", not_ascii),
            ("an underscore in the domain", "a@b_c.com", no_domain),
            ("an escape in the domain", "ada@exa%6dple.com", no_domain),
            ("a top-level domain in digits", "ada@123.456", no_domain),
            ("an IPv4 address", "ada@127.0.0.1", no_domain),
            ("a top-level domain with a digit", "ada@example.c0m", Ok("ada@example.c0m")),
            ("a label in digits", "ada@123.example", Ok("ada@123.example")),
            ("hyphens within a label", "ada@a--b.example", Ok("ada@a--b.example")),
        ] {
            assert_eq!(Email::parse(input).as_ref().map(Email::as_str), expected.as_ref().copied(), "{name}");
        }
        assert_eq!(Email::parse(&format!("ada@{}.com", "a.".repeat(130))), Err("must have at most 254 bytes"));
    }

    #[test]
    fn who_has_an_address_that_nobody_may_register_any_more_is_found_by_it() {
        for (typed, canonical) in [
            ("A@B_c.com", "a@b_c.com"),
            ("ada@exa%6dple.com", "ada@exa%6dple.com"),
            ("ada@123.456", "ada@123.456"),
            (" ada@xn--A.com", "ada@xn--a.com"),
            ("ada@Exämple.com", "ada@xn--exmple-cua.com"),
        ] {
            assert_eq!(Email::typed(typed).as_ref().map(Email::as_str), Ok(canonical));
        }
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

        #[test]
        fn an_internationalised_domain_is_read_as_its_ascii_form(domain in "[a-zàéöа-я]{1,12}\\.[a-z]{2,4}") {
            if let Ok(email) = Email::parse(&format!("ada@{domain}")) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert_eq!(Email::typed(&format!("ada@{}", domain.to_uppercase())), Ok(email));
            }
        }
    }
}
