//! Finds the one credential of a request. Separate from its verification: this file knows headers, and no keys.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The header that carries a bare token, in requests and in every response: `token`.
pub const TOKEN: HeaderName = HeaderName::from_static("token");

/// The credential that a request presents.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The request has no token, and no `authorization` of the scheme `Bearer`.
    NotPresented,
    /// The request has one token. It has not been verified.
    Presented(&'a str),
    /// A header has no token where one belongs, or it is repeated.
    Malformed,
    /// The two headers have different tokens.
    Contradictory,
}

/// Reads the credential from the headers `token: <jwt>` and `authorization: Bearer <jwt>` (RFC 6750 section 2.1). The
/// same token in both is one credential. Two different tokens are [`Credential::Contradictory`], because a proxy may
/// have added one of them, and a choice could be wrong. An `authorization` of another scheme than `Bearer` is ignored:
/// it may be meant for a proxy that has passwords of its own.
pub fn read(headers: &HeaderMap) -> Credential<'_> {
    let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    of_both(values(TOKEN), values(AUTHORIZATION))
}

/// Reads the credential from the two headers as a proxy passes them on, with several of one name joined by commas (RFC
/// 9110 section 5.3). By the same rules as [`read`]; a token has no comma, so two that were joined are none. An
/// `authorization` of another scheme behind which a `Bearer` was joined is [`Credential::Malformed`], because it cannot
/// be told from a part of that scheme's own value.
pub fn read_joined<'a>(token: Option<&'a [u8]>, authorization: Option<&'a [u8]>) -> Credential<'a> {
    if authorization.is_some_and(|value| is_of_another_scheme(value) && has_bearer_behind(value)) {
        return Credential::Malformed;
    }
    of_both(token.into_iter(), authorization.into_iter())
}

fn of_both<'a>(
    tokens: impl Iterator<Item = &'a [u8]>,
    authorizations: impl Iterator<Item = &'a [u8]>,
) -> Credential<'a> {
    use Credential::{Contradictory, Malformed, NotPresented, Presented};
    let token = credential(tokens, Some);
    let bearer = credential(authorizations.filter(|value| !is_of_another_scheme(value)), bearer);
    match (token, bearer) {
        (Malformed, _) | (_, Malformed) => Malformed,
        (NotPresented, other) | (other, NotPresented) => other,
        (Presented(token), Presented(bearer)) if token == bearer => Presented(token),
        _ => Contradictory,
    }
}

/// Reads the credential of one header; `token` takes the token out of its value.
fn credential<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
    token: impl FnOnce(&'a str) -> Option<&'a str>,
) -> Credential<'a> {
    match (values.next(), values.next()) {
        (None, _) => Credential::NotPresented,
        (Some(value), None) => Some(value)
            .filter(|value| value.is_ascii())
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(token)
            .filter(|token| !token.is_empty())
            .map_or(Credential::Malformed, Credential::Presented),
        (Some(_), Some(_)) => Credential::Malformed,
    }
}

/// The authentication scheme in lower case.
const BEARER_SCHEME: &[u8] = b"bearer";

/// Reads `Bearer <token>` (RFC 6750 section 2.1). The scheme is case-insensitive (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.as_bytes().eq_ignore_ascii_case(BEARER_SCHEME).then(|| token.trim_start_matches(' '))
}

/// Tells whether the value has another scheme than `Bearer`: a name, a space, and more. A token without a scheme is not
/// taken for one, because it has dots. RFC 9110 section 5.6.2 allows dots in a scheme, but no registered scheme has
/// one.
pub fn is_of_another_scheme(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |&byte| byte == b' ');
    let (Some(scheme), Some(_)) = (parts.next(), parts.next()) else { return false };
    let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-^_`|~".contains(byte);
    let is_scheme = !scheme.is_empty() && scheme.iter().all(may_stand);
    is_scheme && !scheme.eq_ignore_ascii_case(BEARER_SCHEME)
}

/// Tells whether `Bearer` follows a comma somewhere in the value.
fn has_bearer_behind(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').skip(1).any(|part| {
        let scheme = part.trim_ascii_start().split(|byte| byte.is_ascii_whitespace()).next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(BEARER_SCHEME))
    })
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Credential, read, read_joined};

    #[test]
    fn of_headers_that_a_proxy_has_joined_exactly_one_credential_is_read() {
        use Credential::{Contradictory, Malformed, NotPresented, Presented};
        for (token, authorization, expected) in [
            (None, None, NotPresented),
            (Some("a.b.c"), None, Presented("a.b.c")),
            (Some("a.b.c"), Some("Bearer a.b.c"), Presented("a.b.c")),
            (Some("a.b.c"), Some("Bearer d.e.f"), Contradictory),
            // No token verifies with a comma in it.
            (Some("a.b.c,a.b.c"), None, Presented("a.b.c,a.b.c")),
            (None, Some("Bearer a.b.c,Bearer a.b.c"), Presented("a.b.c,Bearer a.b.c")),
            (Some("a.b.c,a.b.c"), Some("Bearer a.b.c"), Contradictory),
            (Some(""), None, Malformed),
            (Some("a.b.c"), Some("Basic YTpi"), Presented("a.b.c")),
            (None, Some("Digest username=\"a\", realm=\"b\""), NotPresented),
            (None, Some("Basic YTpi,Bearer a.b.c"), Malformed),
            (Some("a.b.c"), Some("Basic YTpi, bearer  a.b.c"), Malformed),
            (Some("a.b.c"), Some("Digest username=\"a\",\tBEARER\ta.b.c"), Malformed),
            (None, Some("Bearer a.b.c,Basic YTpi"), Presented("a.b.c,Basic YTpi")),
        ] {
            let read = read_joined(token.map(str::as_bytes), authorization.map(str::as_bytes));
            assert_eq!(read, expected, "{token:?} {authorization:?}");
        }
    }

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
