//! Which settings name a relying party, and which origins it takes.

use serde_json::json;

use super::*;

const ANDROID: &str = "android:apk-key-hash:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

#[test]
fn an_origin_must_be_listed_to_the_letter() {
    let party =
        RelyingParty::parse("example.org", ["https://example.org", "https://a.example.org:8443", ANDROID]).unwrap();
    for origin in ["https://example.org", "https://a.example.org:8443", ANDROID] {
        assert!(party.accepts(origin), "{origin}");
    }
    for origin in [
        "",
        "null",
        "https://example.org/",
        "https://example.org:443",
        "https://EXAMPLE.org",
        "http://example.org",
        "https://a.example.org",
        "https://evil.example.org",
        "https://example.org.evil.test",
        "https://evilexample.org",
        "http://localhost",
    ] {
        assert!(!party.accepts(origin), "{origin}");
    }
}

#[test]
fn without_origins_the_id_is_one() {
    let party = RelyingParty::parse("example.org", []).unwrap();
    assert!(party.accepts("https://example.org"));
    assert!(!party.accepts("https://example.org:8443"));
}

#[test]
fn localhost_needs_no_settings() {
    let party = RelyingParty::parse("localhost", []).unwrap();
    for origin in ["http://localhost", "http://localhost:3008", "http://localhost:65535"] {
        assert!(party.accepts(origin), "{origin}");
    }
    for origin in [
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:+80",
        "http://localhost:65536",
        "http://localhost:80/",
        "http://localhost.evil.test",
        "http://127.0.0.1:3008",
    ] {
        assert!(!party.accepts(origin), "{origin}");
    }
    assert_eq!(party.related_origins(), None);
    let listed = RelyingParty::parse("localhost", ["http://localhost:3008"]).unwrap();
    assert!(listed.accepts("http://localhost:3008") && !listed.accepts("http://localhost:3009"));
}

#[test]
fn an_id_is_a_host_name() {
    for id in [
        "",
        "https://example.org",
        "example.org:443",
        "example.org/",
        "Example.org",
        "example.org.",
        "bücher.example",
        "127.0.0.1",
        "[::1]",
        "a b",
    ] {
        assert_eq!(RelyingParty::parse(id, []), Err(RelyingPartyError::Id), "{id}");
    }
    assert_eq!(RelyingParty::parse("xn--bcher-kva.example", []).unwrap().id(), "xn--bcher-kva.example");
}

#[test]
fn an_origin_is_as_browsers_write_it() {
    for (origin, error) in [
        ("", RelyingPartyError::Origin),
        ("example.org", RelyingPartyError::Origin),
        ("https://example.org/", RelyingPartyError::Origin),
        ("https://example.org:443", RelyingPartyError::Origin),
        ("https://user@example.org", RelyingPartyError::Origin),
        ("ftp://example.org", RelyingPartyError::Origin),
        ("*", RelyingPartyError::Origin),
        ("android:apk-key-hash:AAAA", RelyingPartyError::Origin),
        ("http://example.org", RelyingPartyError::Insecure),
        ("http://localhost.example.org", RelyingPartyError::Insecure),
    ] {
        assert_eq!(RelyingParty::parse("example.org", [origin]), Err(error), "{origin}");
    }
}

#[test]
fn the_document_lists_origins_that_are_not_below_the_id() {
    let origins = [
        "https://example.org",
        "https://www.example.org",
        "https://example.de",
        "https://anexample.org",
        ANDROID,
        "https://example.co.uk:8443",
    ];
    let party = RelyingParty::parse("example.org", origins).unwrap();
    let related = ["https://example.de", "https://anexample.org", "https://example.co.uk:8443"];
    assert_eq!(party.related_origins(), Some(json!({ "origins": related })));
    assert_eq!(RelyingParty::parse("example.org", ["https://www.example.org"]).unwrap().related_origins(), None);
}
