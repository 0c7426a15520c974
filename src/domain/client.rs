//! The program and address of a sign-in, by which the owner of an account tells sessions apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text;

/// The program and the address that signed in. The program's name is a claim, not a proof: no decision depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    label: String,
    /// The address; `None` when the sign-in did not come by the network.
    pub address: Option<IpAddr>,
}

/// The longest label in characters. Real ones have fewer than 200; every session would store the rest.
const MAX_LABEL_CHARS: usize = 200;

impl Client {
    /// Takes the name that the client gives itself. It is never refused, so that no client is kept from signing in:
    /// invisible characters and everything beyond 200 characters are left out.
    pub fn new(label: &str, address: Option<IpAddr>) -> Self {
        let visible: String = label.chars().filter(|&c| !text::is_unprintable(c)).take(MAX_LABEL_CHARS).collect();
        Self { label: visible.trim().to_owned(), address }
    }

    /// Returns the client's own name: at most 200 visible characters, possibly none.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// Returns the subscriber of an address: for IPv6, the first address of its /64, which one subscriber has; for IPv4,
/// the address itself, also when it came within IPv6.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

/// Returns the network of an address: its /48 of IPv6 or its /24 of IPv4. A client with one address of such a network
/// can often use all of them.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, network, subscriber};

    #[test]
    fn an_address_belongs_to_a_subscriber_and_that_to_a_network() {
        for (address, of_subscriber, of_network) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::"),
            ("192.0.2.77", "192.0.2.77", "192.0.2.0"),
            ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(subscriber(address).to_string(), of_subscriber);
            assert_eq!(network(address).to_string(), of_network);
            assert_eq!(network(subscriber(address)), network(address));
        }
    }

    #[test]
    fn a_label_is_bounded_and_shows_what_it_holds() {
        for (given, kept) in [
            ("", ""),
            ("grpc-go/1.75.0", "grpc-go/1.75.0"),
            (" curl/8 \t", "curl/8"),
            ("a\u{0}b\r\nc\u{1b}[31m", "abc[31m"),
            ("evil\u{202e}txt\u{200b}", "eviltxt"),
            ("ma\u{f1}ana 🦀", "ma\u{f1}ana 🦀"),
        ] {
            assert_eq!(Client::new(given, None).label(), kept, "{given:?}");
        }
        assert_eq!(Client::new(&"\u{e4}".repeat(500), None).label(), "\u{e4}".repeat(200));
    }
}
