//! Finding the one credential of a request. Apart from judging it: this knows headers and no keys.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The header that carries a token: of requests as one of two carriers, and of every answer with a fresh token.
pub const TOKEN: HeaderName = HeaderName::from_static("token");

/// What one carrier, or all of them together, presented.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// None of ours.
    NotPresented,
    /// One, not yet judged.
    Presented(&'a str),
    /// Something that is none, or one carrier more than once.
    Malformed,
    /// Two that differ.
    Contradictory,
}

/// Reads both carriers. The same token in both is one credential; two different ones are [`Credential::Contradictory`],
/// for whoever put a proxy in between may not have meant the one we would choose. An `authorization` of another scheme
/// than `Bearer` is for somebody else, such as a proxy that asks for a password of its own.
pub fn read(headers: &HeaderMap) -> Credential<'_> {
    use Credential::{Contradictory, Malformed, NotPresented, Presented};
    let token = carrier(headers.get_all(TOKEN).iter(), Some);
    let bearer = carrier(headers.get_all(AUTHORIZATION).iter().filter(|value| !is_of_another_scheme(value)), bearer);
    match (token, bearer) {
        (Malformed, _) | (_, Malformed) => Malformed,
        (NotPresented, other) | (other, NotPresented) => other,
        (Presented(token), Presented(bearer)) if token == bearer => Presented(token),
        _ => Contradictory,
    }
}

fn carrier<'a>(
    mut values: impl Iterator<Item = &'a HeaderValue>,
    token: impl FnOnce(&'a str) -> Option<&'a str>,
) -> Credential<'a> {
    match (values.next(), values.next()) {
        (None, _) => Credential::NotPresented,
        (Some(value), None) => HeaderValue::to_str(value)
            .ok()
            .and_then(token)
            .filter(|token| !token.is_empty())
            .map_or(Credential::Malformed, Credential::Presented),
        (Some(_), Some(_)) => Credential::Malformed,
    }
}

const BEARER: &[u8] = b"bearer";

/// `Bearer <token>` (RFC 6750 section 2.1); the scheme compares case-insensitively (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.as_bytes().eq_ignore_ascii_case(BEARER).then(|| token.trim_start_matches(' '))
}

/// A scheme, a space, and something. A token without its scheme is not one: it has dots, which
/// no registered scheme has, though RFC 9110 (section 5.6.2) would let it.
fn is_of_another_scheme(value: &HeaderValue) -> bool {
    let mut parts = value.as_bytes().splitn(2, |&byte| byte == b' ');
    let (Some(scheme), Some(_)) = (parts.next(), parts.next()) else { return false };
    let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-^_`|~".contains(byte);
    let is_scheme = !scheme.is_empty() && scheme.iter().all(may_stand);
    is_scheme && !scheme.eq_ignore_ascii_case(BEARER)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Credential, read};

    #[test]
    fn exactly_one_credential_is_read() {
        use Credential::{Contradictory, Malformed, NotPresented, Presented};
        for (name, headers, expected) in [
            ("none", &[][..], NotPresented),
            ("token", &[("token", "a.b.c")], Presented("a.b.c")),
            ("bearer", &[("authorization", "Bearer a.b.c")], Presented("a.b.c")),
            ("bearer in any case", &[("authorization", "bEARER  a.b.c")], Presented("a.b.c")),
            ("the same twice", &[("token", "a.b.c"), ("authorization", "Bearer a.b.c")], Presented("a.b.c")),
            ("two different ones", &[("token", "a.b.c"), ("authorization", "Bearer d.e.f")], Contradictory),
            (
                "one good, one of another scheme",
                &[("token", "a.b.c"), ("authorization", "Basic YTpi")],
                Presented("a.b.c"),
            ),
            ("one good, one broken", &[("token", "a.b.c"), ("authorization", "Bearer ")], Malformed),
            ("a repeated header", &[("token", "a.b.c"), ("token", "a.b.c")], Malformed),
            ("another scheme", &[("authorization", "Basic YTpi")], NotPresented),
            ("another scheme, not ASCII", &[("authorization", "Digest username=\"\u{e4}\"")], NotPresented),
            ("two other schemes", &[("authorization", "Basic YTpi"), ("authorization", "Negotiate YII")], NotPresented),
            (
                "another scheme and bearer",
                &[("authorization", "AWS4-HMAC-SHA256 x"), ("authorization", "Bearer a.b.c")],
                Presented("a.b.c"),
            ),
            ("no scheme", &[("authorization", "a.b.c")], Malformed),
            ("no scheme, and a token", &[("authorization", "a.b.c"), ("token", "a.b.c")], Malformed),
            ("two tokens without a scheme", &[("authorization", "a.b.c d.e.f")], Malformed),
            ("a scheme and nothing", &[("authorization", "Basic")], Malformed),
            ("no token after the scheme", &[("authorization", "Bearer ")], Malformed),
            ("empty", &[("token", "")], Malformed),
            ("not ASCII", &[("token", "\u{e4}")], Malformed),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
                })
                .fold(HeaderMap::new(), |mut map, (name, value)| {
                    map.append(name, value);
                    map
                });
            assert_eq!(read(&map), expected, "{name}");
        }
    }
}
