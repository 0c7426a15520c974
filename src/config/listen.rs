//! The addresses that the server listens on, and how one is written. Separate for the parser.

use std::net::{Ipv4Addr, SocketAddr};

/// Reads IP:PORT. The one name that is read is `localhost`, because every other one could stand for several addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    const FORM: &str = "write IP:PORT, as in 127.0.0.1:3008, 0.0.0.0:3008 or [::1]:3008, or localhost:PORT";
    let port = |port: &str| Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok();
    match text.split_once(':') {
        Some((name, rest)) if name.eq_ignore_ascii_case("localhost") => {
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port(rest).ok_or(FORM)?)))
        }
        _ => text.parse().map_err(|_| FORM),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_an_ip_address_or_localhost_and_a_port() {
        for (text, expected) in [
            ("127.0.0.1:3008", "127.0.0.1:3008"),
            ("[::]:0", "[::]:0"),
            ("localhost:3008", "127.0.0.1:3008"),
            ("LOCALHOST:0", "127.0.0.1:0"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:+1",
            "localhost:65536",
            "localhost:1:2",
            "127.0.0.1",
            ":3008",
            "3008",
            "::1:3008",
            "auth.example.com:3008",
            "http://127.0.0.1:3008",
        ] {
            assert!(address(text).unwrap_err().starts_with("write IP:PORT"), "{text}");
        }
    }
}
