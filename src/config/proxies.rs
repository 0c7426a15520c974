//! The trusted proxies, and how one is written. Separate for the parser. `transport/forwarded.rs` reads what the
//! proxies say.

use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;

/// The settings of trusted proxies.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProxySettings {
    /// Addresses and networks (10.0.0.0/8) of trusted proxies, separated by commas: X-Forwarded-For is read only from
    /// them
    #[arg(long, env, global = true, value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
}

/// Reads an address, or a network as address and length.
fn network(text: &str) -> Result<IpNet, &'static str> {
    const FORM: &str = "write addresses and networks, as in 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
    let text = text.trim();
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| FORM)?;
    // An IPv4 address within IPv6 is compared as the IPv4 address.
    let network = match (network.addr().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(network)) => {
            let length = network.prefix_len().checked_sub(96).ok_or(FORM)?;
            IpNet::new(address.into(), length).map_err(|_| FORM)?
        }
        _ => network,
    };
    if network.prefix_len() == 0 {
        return Err("a network of all addresses would trust every client: name the addresses of the proxies");
    }
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7/32"),
            (" 10.1.2.3/8 ", "10.0.0.0/8"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("2001:db8::7/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), expected, "{text}");
        }
        for text in
            ["", "proxy", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "::ffff:1.2.3.4/64"]
        {
            assert!(network(text).is_err(), "{text:?}");
        }
    }
}
