//! Where a sign-in came from, so that its owner can tell one session from another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text;

/// The program and the place that signed in. A claim and a hint, never a proof: nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    label: String,
    /// `None` when it did not come by the network.
    pub address: Option<IpAddr>,
}

/// Real ones have under 200; the rest is somebody's joke, and every session would store it.
const MAX_LABEL_CHARS: usize = 200;

impl Client {
    /// Takes what the client calls itself. Nothing is refused, for nobody is kept from signing in by it: characters that
    /// cannot be seen are left out, and so is what is beyond 200 characters.
    pub fn new(label: &str, address: Option<IpAddr>) -> Self {
        let visible: String = label.chars().filter(|&c| !text::is_unprintable(c)).take(MAX_LABEL_CHARS).collect();
        Self { label: visible.trim().to_owned(), address }
    }

    /// What the client calls itself: at most 200 characters, every one of them visible; possibly none.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// Whose address it is, as far as an address can tell: of IPv6 the first address of its /64, which is what one subscriber
/// has; of IPv4 itself, also when it came within IPv6.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

/// The network of an address, as far as an address can tell: its /48 of IPv6 or its /24 of IPv4. Whoever has one address
/// of such a network can often have all of them.
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
