//! The address of the client of a request: the peer, or, if the peer is a trusted proxy, the address that the proxy
//! states. Separate because it is pure, and because a client that could choose its address would have unlimited
//! budgets.
//!
//! 1. If the peer is no trusted proxy, it is the client, and its headers are ignored.
//! 2. If it is one, the client is the right-most hop of `X-Forwarded-For` that is no trusted proxy. Each proxy appends
//!    the address that it received the request from, so everything to the left of that hop is a claim of the client.
//! 3. If a hop is no valid address, the client is the trusted proxy to the right of it: the last address that is
//!    certain.
//!
//! `Forwarded` (RFC 7239) is not read. A proxy that sets one of the two headers passes the other one on as the client
//! wrote it, so reading both would mean trusting clients.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a request names the client that it was forwarded for, and is not believed.
pub(super) fn is_ignored(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    (headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED))
        && !trusted.iter().any(|network| network.contains(&peer))
}

/// The address of the client of a request that came from `peer`.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut nearest = peer.to_canonical();
    if !is_trusted(nearest) {
        return nearest;
    }
    // Several headers with the same name form one list.
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        // A header that is not text holds no address.
        let line = line.to_str().unwrap_or("?");
        for hop in line.rsplit(',') {
            match address(hop.trim_matches([' ', '\t'])) {
                Some(address) if is_trusted(address) => nearest = address,
                Some(address) => return address,
                None => return nearest,
            }
        }
    }
    nearest
}

/// Parses an address with or without a port, and of IPv6 with or without brackets. IPv4 within IPv6 becomes IPv4.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => hop.parse().ok().or_else(|| hop.parse().ok().map(|address: SocketAddr| address.ip()))?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};
    use ipnet::IpNet;

    use super::client;

    const PROXY: &str = "10.0.0.1";

    #[test]
    fn the_client_is_the_peer_or_the_right_most_hop_that_is_not_trusted() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "2001:db8:a::/48"].map(|text| text.parse().unwrap()).into();
        for (name, peer, lines, expected) in [
            ("no proxy, no header", "192.0.2.1", vec![], "192.0.2.1"),
            ("no proxy, and a header", "192.0.2.1", vec!["198.51.100.1"], "192.0.2.1"),
            ("no proxy, and the name of one", "192.0.2.1", vec![PROXY], "192.0.2.1"),
            ("a proxy that says nothing", PROXY, vec![], PROXY),
            ("a proxy", PROXY, vec!["192.0.2.1"], "192.0.2.1"),
            ("a proxy within IPv6", "::ffff:10.0.0.1", vec!["192.0.2.1"], "192.0.2.1"),
            ("a client that claims to be another", PROXY, vec!["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            ("a client that claims to be a proxy", PROXY, vec!["198.51.100.1, 10.9.9.9, 192.0.2.1"], "192.0.2.1"),
            ("two proxies", PROXY, vec!["198.51.100.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("two proxies of both kinds", PROXY, vec!["192.0.2.1,2001:db8:a::1"], "192.0.2.1"),
            ("nobody but proxies", PROXY, vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("two lines", PROXY, vec!["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
            ("two lines, a proxy in the second", PROXY, vec!["198.51.100.1, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            ("IPv6", PROXY, vec!["2001:db8::1"], "2001:db8::1"),
            ("IPv6 in brackets", PROXY, vec!["[2001:db8::1]"], "2001:db8::1"),
            ("IPv6 and a port", PROXY, vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("IPv4 and a port", PROXY, vec!["192.0.2.1:4711"], "192.0.2.1"),
            ("IPv4 within IPv6", PROXY, vec!["::ffff:192.0.2.1"], "192.0.2.1"),
            ("a proxy within IPv6 as a hop", PROXY, vec!["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            ("spaces and tabs", PROXY, vec!["\t192.0.2.1 \t"], "192.0.2.1"),
            ("an empty line", PROXY, vec![""], PROXY),
            ("an empty hop at the end", PROXY, vec!["192.0.2.1,"], PROXY),
            ("garbage", PROXY, vec!["unknown"], PROXY),
            ("garbage before a proxy", PROXY, vec!["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("garbage before the client", PROXY, vec!["unknown, 192.0.2.1"], "192.0.2.1"),
            ("no text", PROXY, vec!["192.0.2.1, \u{e4}"], PROXY),
            ("IPv4 in brackets", PROXY, vec!["[192.0.2.1]"], PROXY),
            ("a port too many", PROXY, vec!["192.0.2.1:4711:1"], PROXY),
            ("a port too large", PROXY, vec!["192.0.2.1:65536"], PROXY),
            ("a zone", PROXY, vec!["fe80::1%eth0"], PROXY),
            ("half a bracket", PROXY, vec!["[2001:db8::1"], PROXY),
            ("an octal number", PROXY, vec!["192.0.2.010"], PROXY),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            // Never read.
            headers.append("forwarded", HeaderValue::from_static("for=203.0.113.1"));
            let found = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{name}");
        }
    }
}
