//! Percent-encoding (RFC 3986 section 2.1) and queries, read strictly. Separate because no message is involved.

use percent_encoding::percent_decode_str;

/// The parameters of a query as forms have it: `a=b&c=d`, `+` is a space. `None` is what cannot be decoded.
pub(in crate::rest) fn pairs(query: &str) -> impl Iterator<Item = (Option<String>, Option<String>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decode(&text.replace('+', " "), false);
        (plain(name), plain(text))
    })
}

/// What is wrong with what is not.
pub(super) const NOT_WHOLE: &str = "must be percent-encoded UTF-8";

/// Whether each escape has its two digits.
pub(super) fn are_whole(text: &str) -> bool {
    let is_whole = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|c| c.is_ascii_hexdigit()));
    text.split('%').skip(1).all(is_whole)
}

/// Percent-decoded, but for encoded slashes if they are to be kept. `None` of half an escape, or of what is no UTF-8.
pub(super) fn decode(text: &str, keeps_slashes: bool) -> Option<String> {
    if !are_whole(text) {
        return None;
    }
    if keeps_slashes {
        // Encoded twice, it is decoded to itself.
        let text = text.replace("%2F", "%252F").replace("%2f", "%252f");
        return Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned());
    }
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, pairs};

    #[test]
    fn half_an_escape_is_none() {
        for (text, whole, path) in [
            ("a%20b+c", Some("a b+c"), Some("a b+c")),
            ("a%2Fb%2fc%25", Some("a/b/c%"), Some("a%2Fb%2fc%")),
            ("%C3%A4", Some("ä"), Some("ä")),
            ("%252F", Some("%2F"), Some("%2F")),
            ("%", None, None),
            ("%2", None, None),
            ("%zz", None, None),
            ("%+1", None, None),
            ("%C3", None, None),
            ("%2ä", None, None),
        ] {
            assert_eq!((decode(text, false).as_deref(), decode(text, true).as_deref()), (whole, path), "{text}");
        }
    }

    #[test]
    fn a_query_is_read_as_a_form() {
        let read: Vec<_> =
            pairs("a=1&&b=x+y%2B&c&=d&e=f=g").map(|(name, text)| (name.unwrap(), text.unwrap())).collect();
        let expected = [("a", "1"), ("b", "x y+"), ("c", ""), ("", "d"), ("e", "f=g")];
        assert_eq!(read, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(text in any::<String>()) {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode(&encoded, false), Some(text));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (decode(&text, true), decode(&text, false), pairs(&text).count());
        }
    }
}
