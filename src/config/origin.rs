//! Origins that browsers may call from. Separate because they have a form of their own.

/// An origin that browsers may call from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedOrigin {
    Any,
    /// This machine, on any port, over http or https.
    Localhost,
    /// One origin, as browsers send it: `https://app.example.com`.
    Exact(String),
}

/// Reads `localhost`, `*`, or `scheme://host[:port]` without a path.
pub(super) fn parse(text: &str) -> Result<AllowedOrigin, &'static str> {
    match text.trim() {
        "*" => Ok(AllowedOrigin::Any),
        "localhost" => Ok(AllowedOrigin::Localhost),
        exact => {
            let host = exact.strip_prefix("https://").or_else(|| exact.strip_prefix("http://"));
            let is_origin = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '*', ' ', '@']);
            if host.is_some_and(is_origin) && exact.is_ascii() {
                Ok(AllowedOrigin::Exact(exact.to_ascii_lowercase()))
            } else {
                Err("write `localhost`, `*`, or origins such as https://app.example.com, without a path")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedOrigin, parse};

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        assert_eq!(parse("localhost"), Ok(AllowedOrigin::Localhost));
        assert_eq!(parse(" * "), Ok(AllowedOrigin::Any));
        assert_eq!(parse("https://App.Example.com"), Ok(AllowedOrigin::Exact("https://app.example.com".to_owned())));
        for text in ["", "app.example.com", "https://", "https://a.b/", "https://*.a.b", "ftp://a.b", "null"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
