//! Strict reading of percent-encoding (RFC 3986 section 2.1) and of queries. Separate because it knows no messages.

use percent_encoding::percent_decode_str;

/// The names and values of a query that is written as forms are, `a=b&c=d`, with `+` for a space. A name or a value is
/// `None` if it is not percent-encoded UTF-8.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Option<String>, Option<String>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| decode(&text.replace('+', " "), false);
        (decoded(name), decoded(text))
    })
}

/// What a client is told about a text that cannot be decoded.
pub(crate) const NOT_WHOLE: &str = "must be percent-encoded UTF-8";

/// Whether each `%` is followed by two hexadecimal digits.
pub(crate) fn are_whole(text: &str) -> bool {
    let is_whole = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|c| c.is_ascii_hexdigit()));
    text.split('%').skip(1).all(is_whole)
}

/// Decodes percent-encoded text, without the encoded slashes if `keeps_slashes`. `None` if an escape is incomplete, or
/// if the result is not UTF-8.
pub(crate) fn decode(text: &str, keeps_slashes: bool) -> Option<String> {
    if !are_whole(text) {
        return None;
    }
    if keeps_slashes {
        // A slash that is encoded twice is decoded to a slash that is encoded once.
        let text = text.replace("%2F", "%252F").replace("%2f", "%252f");
        return Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned());
    }
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, query_pairs};

    #[test]
    fn an_incomplete_escape_is_not_decoded() {
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
            query_pairs("a=1&&b=x+y%2B&c&=d&e=f=g").map(|(name, text)| (name.unwrap(), text.unwrap())).collect();
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
            let _ = (decode(&text, true), decode(&text, false), query_pairs(&text).count());
        }
    }
}
