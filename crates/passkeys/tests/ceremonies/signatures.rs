//! Signatures of ES256 that are malformed or have numbers out of range, each of which some library once took. The kinds
//! are those of Wycheproof; the signatures are made here from one that is right.

use countersign_passkeys::Reason;
use serde_json::json;

use crate::support::{Device, Key, Site, decode, encode, verify_sign_in};

/// The order of the group of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// A number of 33 bytes, so that the sum of two numbers fits.
type Number = [u8; 33];

fn add(one: &Number, other: &Number) -> Number {
    let (mut sum, mut carry) = ([0; 33], 0);
    for at in (0..33).rev() {
        let digit = u16::from(one[at]) + u16::from(other[at]) + carry;
        (sum[at], carry) = ((digit & 0xff) as u8, digit >> 8);
    }
    sum
}

/// The smaller number must be the second.
fn subtract(one: &Number, other: &Number) -> Number {
    let complement = add(&other.map(|digit| !digit), &number(&[1]));
    add(one, &complement)
}

fn number(bytes: &[u8]) -> Number {
    let mut number = [0; 33];
    number[33 - bytes.len()..].copy_from_slice(bytes);
    number
}

/// The contents of an INTEGER: without zeros in front, but for one that keeps the number positive.
fn contents(number: &Number) -> Vec<u8> {
    let zeros = number.iter().take_while(|digit| **digit == 0).count().min(32);
    let digits = &number[zeros..];
    if digits[0] < 0x80 { digits.to_vec() } else { [&[0], digits].concat() }
}

fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
}

fn sequence(r: &[u8], s: &[u8]) -> Vec<u8> {
    tagged(0x30, &[tagged(2, r), tagged(2, s)].concat())
}

/// The numbers r and s of a signature.
fn parse(signature: &[u8]) -> (Number, Number) {
    let length = usize::from(signature[3]);
    let strip = |integer: &[u8]| number(&integer[integer.len().saturating_sub(33)..]);
    (strip(&signature[4..4 + length]), strip(&signature[6 + length..]))
}

#[test]
fn a_signature_of_another_form_or_range_is_refused() {
    let (site, device) = (Site::new(), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let response = device.sign_in(&site.authentication_options(), |_| {});
    let judge = |signature: &[u8]| {
        let mut response = response.clone();
        response["response"]["signature"] = json!(encode(signature));
        verify_sign_in(&site.authentication(), &response, &site.account(&credentials)).map(|_| ())
    };
    let right = decode(response["response"]["signature"].as_str().unwrap());
    let (r, s) = parse(&right);
    let (order, one, zero) = (number(&ORDER), number(&[1]), number(&[]));
    let (der_r, der_s) = (contents(&r), contents(&s));
    assert_eq!(right, sequence(&der_r, &der_s));
    assert_eq!(judge(&right), Ok(()));
    // ECDSA has two signatures for each, and WebAuthn forbids neither.
    assert_eq!(judge(&sequence(&der_r, &contents(&subtract(&order, &s)))), Ok(()));

    let body = &right[2..];
    let with_zero = |integer: &[u8]| [&[0], integer].concat();
    let negative = |integer: &[u8]| [&[integer[0] | 0x80], &integer[1..]].concat();
    let wrong: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("an empty sequence", vec![0x30, 0]),
        ("r only", tagged(0x30, &tagged(2, &der_r))),
        ("three numbers", tagged(0x30, &[&tagged(2, &der_r)[..], &tagged(2, &der_s), &tagged(2, &[1])].concat())),
        ("r and s in the form of 64 bytes", [&r[1..], &s[1..]].concat()),
        ("r and s swapped", sequence(&der_s, &der_r)),
        ("a byte after it", [&right[..], &[0]].concat()),
        ("a byte too few", right[..right.len() - 1].to_vec()),
        ("a byte after s, in the sequence", tagged(0x30, &[body, &[0]].concat())),
        ("NULL after s", tagged(0x30, &[body, &[5, 0]].concat())),
        ("a length in the long form", [&[0x30, 0x81, right[1]], body].concat()),
        ("a length in a longer form", [&[0x30, 0x82, 0, right[1]], body].concat()),
        ("a length of 4 GiB", [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], body].concat()),
        ("an indefinite length", [&[0x30, 0x80], body, &[0, 0]].concat()),
        ("a length that is too small", [&[0x30, right[1] - 1], body].concat()),
        ("a length that is too large", [&[0x30, right[1] + 1], body].concat()),
        ("a set", [&[0x31], &right[1..]].concat()),
        ("a context tag", [&[0xa0], &right[1..]].concat()),
        ("r as OCTET STRING", tagged(0x30, &[tagged(4, &der_r), tagged(2, &der_s)].concat())),
        ("s as BIT STRING", tagged(0x30, &[tagged(2, &der_r), tagged(3, &der_s)].concat())),
        ("a zero before r", sequence(&with_zero(&der_r), &der_s)),
        ("a zero before s", sequence(&der_r, &with_zero(&der_s))),
        ("r without bytes", sequence(&[], &der_s)),
        ("s without bytes", sequence(&der_r, &[])),
        ("r negative", sequence(&negative(&der_r), &der_s)),
        ("s negative", sequence(&der_r, &negative(&der_s))),
        ("r = 0", sequence(&contents(&zero), &der_s)),
        ("s = 0", sequence(&der_r, &contents(&zero))),
        ("both 0", sequence(&[0], &[0])),
        ("r = 1", sequence(&[1], &der_s)),
        ("both 1", sequence(&[1], &[1])),
        ("r = n", sequence(&contents(&order), &der_s)),
        ("s = n", sequence(&der_r, &contents(&order))),
        ("both n", sequence(&contents(&order), &contents(&order))),
        ("r = 0 and s = n", sequence(&[0], &contents(&order))),
        ("r + n", sequence(&contents(&add(&r, &order)), &der_s)),
        ("s + n", sequence(&der_r, &contents(&add(&s, &order)))),
        ("r + 1", sequence(&contents(&add(&r, &one)), &der_s)),
        ("s - 1", sequence(&der_r, &contents(&subtract(&s, &one)))),
        ("n - r", sequence(&contents(&subtract(&order, &r)), &der_s)),
        ("r of 100 bytes", sequence(&[1; 60], &der_s)),
    ];
    for (name, signature) in wrong {
        assert_eq!(judge(&signature), Err(Reason::WrongSignature), "{name}: {signature:02x?}");
    }
}

#[test]
fn a_signature_of_another_algorithm_is_refused() {
    let keys = || [Key::es256(), Key::ed_dsa(), Key::rs256()];
    for (at, key) in keys().into_iter().enumerate() {
        let (site, device) = (Site::new(), Device::new(key));
        let credentials = [site.registered(&device)];
        for other in keys() {
            let mut other = Device::new(other);
            other.credential_id.clone_from(&device.credential_id);
            let response = other.sign_in(&site.authentication_options(), |_| {});
            let outcome = verify_sign_in(&site.authentication(), &response, &site.account(&credentials));
            assert_eq!(outcome.map(|_| ()), Err(Reason::WrongSignature), "the credential is of key {at}");
        }
    }
}
