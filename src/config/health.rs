//! The address of the server that `countersign health` asks. Separate for the parser, and because the address follows
//! from the settings of the server when it is left out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;
use url::Url;

use super::Settings;

/// The flags of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The address of the server: `http://127.0.0.1:3008` or `https://auth.example.com` [default: LISTEN_ADDR]
    #[arg(long, value_name = "URL", value_parser = ServerAddress::parse)]
    pub(crate) address: Option<ServerAddress>,
}

/// Where a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    pub port: u16,
    pub is_tls: bool,
    /// The path below which a proxy serves the server, without a slash at its end.
    pub prefix: String,
}

impl ServerAddress {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "write a URL, as in http://127.0.0.1:3008 or https://auth.example.com";
        let url = Url::parse(text).map_err(|_| FORM)?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(FORM),
        };
        let host = url.host_str().filter(|_| is_plain && url.password().is_none()).ok_or(FORM)?;
        let port = url.port_or_known_default().ok_or(FORM)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, is_tls, prefix: url.path().trim_end_matches('/').to_owned() })
    }
}

/// Writes the address as a URL.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, is_tls, prefix } = self;
        let scheme = if *is_tls { "https" } else { "http" };
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{port}{prefix}")
    }
}

impl Settings {
    /// Returns where a server with these settings answers on this machine; `None` if the system chose the port.
    pub(crate) fn own_address(&self) -> Option<ServerAddress> {
        let (address, is_tls) = (self.listen_addr, self.tls.tls_cert_file.is_some());
        let host = reachable(address.ip()).to_string();
        (address.port() != 0).then(|| ServerAddress { host, port: address.port(), is_tls, prefix: String::new() })
    }
}

/// Returns the address by which this machine reaches a listener: an unspecified address is every one of the machine.
pub(crate) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::ServerAddress;
    use crate::config::Cli;

    #[test]
    fn an_address_is_a_url_without_a_query() {
        for (text, shown) in [
            ("http://127.0.0.1:3008", "http://127.0.0.1:3008"),
            ("https://auth.example.com", "https://auth.example.com:443"),
            ("https://auth.example.com/auth/", "https://auth.example.com:443/auth"),
            ("http://[::1]:3008/", "http://[::1]:3008"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().to_string(), shown);
        }
        for text in
            ["", "127.0.0.1:3008", "localhost:3008", "ftp://a", "http://", "http://a?b", "http://u:p@a", "http://a#b"]
        {
            assert!(ServerAddress::parse(text).unwrap_err().starts_with("write a URL"), "{text}");
        }
    }

    #[test]
    fn a_server_on_every_address_answers_on_the_loopback() {
        let own = |flags: &[&str]| {
            let cli = Cli::try_parse_from([&["countersign"], flags].concat()).unwrap();
            cli.settings.own_address().map(|address| address.to_string())
        };
        assert_eq!(own(&[]).unwrap(), "http://127.0.0.1:3008");
        assert_eq!(own(&["--listen-addr=0.0.0.0:80"]).unwrap(), "http://127.0.0.1:80");
        assert_eq!(own(&["--listen-addr=[::]:80", "--tls-cert-file=x"]).unwrap(), "https://[::1]:80");
        assert_eq!(own(&["--listen-addr=192.0.2.1:80"]).unwrap(), "http://192.0.2.1:80");
        assert_eq!(own(&["--listen-addr=127.0.0.1:0"]), None);
    }
}
