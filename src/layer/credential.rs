//! Finding the one credential of a request. Apart from judging it: this knows headers and no keys.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The header of the username API and of every answer: `token: <jwt>`.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("token");

/// What one carrier, or all of them together, presented.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// None.
    NotPresented,
    /// One, not yet judged.
    Presented(&'a str),
    /// Something that is none, or more than one.
    Malformed,
}

/// Reads both carriers. The same token in both is one credential; two different ones are [`Credential::Malformed`],
/// for whoever put a proxy in between may not have meant the one we would choose.
pub fn read(headers: &HeaderMap) -> Credential<'_> {
    use Credential::{Malformed, NotPresented, Presented};
    let token = carrier(headers, &TOKEN, Some);
    let bearer = carrier(headers, &AUTHORIZATION, bearer);
    match (token, bearer) {
        (Malformed, _) | (_, Malformed) => Malformed,
        (NotPresented, other) | (other, NotPresented) => other,
        (Presented(token), Presented(bearer)) if token == bearer => Presented(token),
        (Presented(_), Presented(_)) => Malformed,
    }
}

fn carrier<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    token: impl FnOnce(&'a str) -> Option<&'a str>,
) -> Credential<'a> {
    let mut values = headers.get_all(name).iter();
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

/// `Bearer <token>` (RFC 6750 section 2.1); the scheme compares case-insensitively (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Credential, read};

    #[test]
    fn exactly_one_credential_is_read() {
        use Credential::{Malformed, NotPresented, Presented};
        for (name, headers, expected) in [
            ("none", &[][..], NotPresented),
            ("token", &[("token", "a.b.c")], Presented("a.b.c")),
            ("bearer", &[("authorization", "Bearer a.b.c")], Presented("a.b.c")),
            ("bearer in any case", &[("authorization", "bEARER  a.b.c")], Presented("a.b.c")),
            ("the same twice", &[("token", "a.b.c"), ("authorization", "Bearer a.b.c")], Presented("a.b.c")),
            ("two different ones", &[("token", "a.b.c"), ("authorization", "Bearer d.e.f")], Malformed),
            ("one good, one of another scheme", &[("token", "a.b.c"), ("authorization", "Basic YTpi")], Malformed),
            ("a repeated header", &[("token", "a.b.c"), ("token", "a.b.c")], Malformed),
            ("another scheme", &[("authorization", "Basic YTpi")], Malformed),
            ("no scheme", &[("authorization", "a.b.c")], Malformed),
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
