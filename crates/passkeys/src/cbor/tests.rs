//! What the reader of CBOR takes, and what it refuses.

use proptest::prelude::*;

use super::*;

fn integer(input: &[u8]) -> Option<i64> {
    match first(input)? {
        (Value::Integer(integer), []) => Some(integer),
        _ => None,
    }
}

/// Appendix A of RFC 8949, as far as the canonical form of CTAP2 has it.
#[test]
fn every_kind_of_value_is_read() {
    let cases: [(&[u8], Value<'_>); 15] = [
        (&[0x00], Value::Integer(0)),
        (&[0x17], Value::Integer(23)),
        (&[0x18, 0x18], Value::Integer(24)),
        (&[0x19, 0x03, 0xe8], Value::Integer(1000)),
        (&[0x1a, 0x00, 0x0f, 0x42, 0x40], Value::Integer(1_000_000)),
        (&[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00], Value::Integer(1_000_000_000_000)),
        (&[0x20], Value::Integer(-1)),
        (&[0x38, 0x63], Value::Integer(-100)),
        (&[0x39, 0x03, 0xe7], Value::Integer(-1000)),
        (&[0x44, 1, 2, 3, 4], Value::Bytes(&[1, 2, 3, 4])),
        (&[0x62, 0xc3, 0xbc], Value::Text("ü")),
        (&[0xf5], Value::Simple(21)),
        (&[0x80], Value::Array(vec![])),
        (&[0x82, 0x01, 0x40], Value::Array(vec![Value::Integer(1), Value::Bytes(&[])])),
        (&[0xa1, 0x61, 0x61, 0x01], Value::Map(Map(vec![(Value::Text("a"), Value::Integer(1))]))),
    ];
    for (input, expected) in cases {
        assert_eq!(first(input), Some((expected, &[][..])), "{input:02x?}");
    }
}

#[test]
fn the_bytes_after_a_value_are_left() {
    assert_eq!(first(&[0x01, 0x02]), Some((Value::Integer(1), &[0x02][..])));
    assert_eq!(whole_map(&[0xa0]), Some(Map::default()));
    assert_eq!(whole_map(&[0xa0, 0x00]), None);
    assert_eq!(whole_map(&[0x80]), None);
}

#[test]
fn what_is_not_canonical_is_refused() {
    let cases: [(&str, &[u8]); 19] = [
        ("nothing", &[]),
        ("a head that is cut off", &[0x19, 0x03]),
        ("a number in one byte too many", &[0x18, 0x17]),
        ("a number in two bytes too many", &[0x19, 0x00, 0xff]),
        ("a number in four bytes too many", &[0x1a, 0x00, 0x00, 0xff, 0xff]),
        ("a length in one byte too many", &[0x58, 0x01, 0x00]),
        ("a number beyond 63 bits", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a negative number beyond 63 bits", &[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("bytes that claim more than there are", &[0x42, 0x00]),
        ("bytes that claim more than memory has", &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("an array that claims more than there are", &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a map that claims more than there are", &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00]),
        ("bytes of an indefinite length", &[0x5f, 0x41, 0x00, 0xff]),
        ("a map of an indefinite length", &[0xbf, 0x00, 0x00, 0xff]),
        ("a text that is no UTF-8", &[0x61, 0xff]),
        ("a key twice", &[0xa2, 0x01, 0x00, 0x01, 0x00]),
        ("a tag", &[0xc0, 0x60]),
        ("a float", &[0xf9, 0x3c, 0x00]),
        ("a simple value without a name", &[0xf0]),
    ];
    for (name, input) in cases {
        assert_eq!(first(input), None, "{name}");
    }
}

#[test]
fn a_map_of_another_order_says_the_same() {
    let map = whole_map(&[0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x02]).unwrap();
    assert_eq!((map.named("a"), map.named("b")), (Some(&Value::Integer(2)), Some(&Value::Integer(1))));
    assert_eq!((map.named("c"), map.numbered(1), map.len()), (None, None, 2));
}

#[test]
fn four_levels_are_read_and_a_fifth_is_not() {
    assert!(first(&[0x81, 0x81, 0x81, 0x80]).is_some());
    assert!(first(&[0x81, 0x81, 0x81, 0x81, 0x80]).is_none());
    assert!(first(&[0xa1, 0x00, 0x81, 0xa1, 0x00, 0x80]).is_some());
    assert!(first(&[0x81; 100_000]).is_none());
}

#[test]
fn an_array_of_many_values_is_refused() {
    let array = |length: u8| [vec![0x98, length], vec![0; length.into()]].concat();
    assert!(first(&array(255)).is_some());
    let nested = [vec![0x82], array(128), array(128)].concat();
    assert!(first(&nested).is_none());
}

proptest! {
    #[test]
    fn a_number_is_read_as_it_was_written(number: i64) {
        let (major, argument) = if number < 0 { (0x20, !number as u64) } else { (0, number as u64) };
        let bytes = argument.to_be_bytes();
        let written = match argument {
            0..24 => vec![major | argument as u8],
            24..0x100 => [&[major | 24], &bytes[7..]].concat(),
            0x100..0x1_0000 => [&[major | 25], &bytes[6..]].concat(),
            0x1_0000..0x1_0000_0000 => [&[major | 26], &bytes[4..]].concat(),
            _ => [&[major | 27], &bytes[..]].concat(),
        };
        prop_assert_eq!(integer(&written), Some(number));
    }

    #[test]
    fn no_bytes_panic(input in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = first(&input);
    }
}
