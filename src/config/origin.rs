//! Origins that browsers may call from. Apart from the other settings because they have a form of their own.

/// Origins that browsers may call from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Every origin.
    Any,
    /// This machine, on any port, over http or https.
    Localhost,
    /// One origin, as browsers send it: `https://app.example.com`.
    Exact(String),
}

/// `localhost`, `*`, or `scheme://host[:port]` without a path.
pub(super) fn parse(text: &str) -> Result<Origin, &'static str> {
    match text.trim() {
        "*" => Ok(Origin::Any),
        "localhost" => Ok(Origin::Localhost),
        exact => {
            let host = exact.strip_prefix("https://").or_else(|| exact.strip_prefix("http://"));
            let is_origin = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '*', ' ', '@']);
            if host.is_some_and(is_origin) && exact.is_ascii() {
                Ok(Origin::Exact(exact.to_ascii_lowercase()))
            } else {
                Err("write `localhost`, `*`, or origins such as https://app.example.com, without a path")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, parse};

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        assert_eq!(parse("localhost"), Ok(Origin::Localhost));
        assert_eq!(parse(" * "), Ok(Origin::Any));
        assert_eq!(parse("https://App.Example.com"), Ok(Origin::Exact("https://app.example.com".to_owned())));
        for text in ["", "app.example.com", "https://", "https://a.b/", "https://*.a.b", "ftp://a.b", "null"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
