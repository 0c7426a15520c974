//! Which pages of other origins may call, and with which request headers. Apart from the other settings because both
//! have a form of their own.

use clap::Args;
use http::HeaderName;

use super::origin::{self, AllowedOrigin};

/// The settings of CORS.
#[derive(Debug, Clone, Args)]
pub(crate) struct CorsSettings {
    /// Origins of web pages that may call, separated by commas; `localhost` means that host on any port, `*` any origin
    #[arg(long, env, global = true, default_value = "localhost", value_delimiter = ',', value_parser = origin::parse)]
    pub cors_allowed_origins: Vec<AllowedOrigin>,

    /// Request headers that those pages may send beside the headers of the APIs, separated by commas; `*` allows all
    /// except those that proxies set
    #[arg(long, env, global = true, default_value = "*", value_delimiter = ',', value_parser = parse)]
    pub cors_allow_headers: Vec<RequestHeader>,
}

/// A request header that pages of other origins may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestHeader {
    Any,
    /// The header of this name.
    Exact(HeaderName),
}

impl RequestHeader {
    /// Whether a page may send a header of this name at all. Of some, services behind a proxy believe that the proxy
    /// set them: where a request comes from, and who sends it.
    pub(crate) fn is_for_pages(name: &HeaderName) -> bool {
        let name = name.as_str();
        !matches!(name, "forwarded" | "x-real-ip") && !name.starts_with("x-forwarded-") && !name.starts_with("x-auth-")
    }
}

/// Reads `*` or the name of a header.
fn parse(text: &str) -> Result<RequestHeader, &'static str> {
    match text.trim() {
        "*" => Ok(RequestHeader::Any),
        name => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) if RequestHeader::is_for_pages(&name) => Ok(RequestHeader::Exact(name)),
            Ok(_) => Err("only a proxy may set Forwarded, X-Forwarded-…, X-Real-IP and X-Auth-…: leave them out"),
            Err(_) => Err("write `*`, or names of headers such as traceparent"),
        },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::{RequestHeader, parse};

    #[test]
    fn a_header_of_pages_is_named_and_none_of_a_proxys() {
        assert_eq!(parse(" * "), Ok(RequestHeader::Any));
        let traceparent = HeaderName::from_static("traceparent");
        assert_eq!(parse(" Traceparent"), Ok(RequestHeader::Exact(traceparent)));
        for text in ["", "a b", "x-ä", "trace:parent", "Forwarded", "X-Forwarded-For", "x-real-ip", "X-Auth-User"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
