//! The characters of names and addresses, as regular expressions that mean the same in ECMA-262 and in Python. So they
//! have no `\p{…}`, and characters beyond U+FFFF are written as themselves, because the two languages have no escape
//! for them in common. The rules are the domain's (`domain/text/`, `domain/email.rs`); a test compares both for every
//! code point.

use std::fmt::Write as _;

/// Invisible and misleading characters: controls, formats, separators other than the space, private use, and blanks.
/// The domain also refuses unassigned code points and the two planes for private use. They are not listed: each version
/// of Unicode assigns more, and some tools expand a range to a list of its characters. A pattern does not tell which
/// letters look like others.
const UNSEEN: [(u32, u32); 35] = [
    (0x0000, 0x0020),
    (0x007F, 0x00A0),
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),
    (0x1680, 0x1680),
    (0x17B4, 0x17B5),
    (0x180E, 0x180E),
    (0x2000, 0x200B),
    (0x200E, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xE000, 0xF8FF),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFC),
    (0xFFFE, 0xFFFF),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x13441, 0x13442),
    (0x16FE4, 0x16FE4),
    (0x1BCA0, 0x1BCA3),
    (0x1D159, 0x1D159),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
];

/// Characters that shape their neighbours: joiners, variation selectors, tags. The names of people and firms may have
/// them in places where they have an effect, which a pattern cannot express.
const SHAPING: [(u32, u32); 6] =
    [(0x180B, 0x180D), (0x180F, 0x180F), (0x200C, 0x200D), (0xFE00, 0xFE0F), (0xE0020, 0xE007F), (0xE0100, 0xE01EF)];

/// The control characters of ASCII and Latin-1.
const CONTROLS: [(u32, u32); 2] = [(0x00, 0x1F), (0x7F, 0x9F)];

/// `@` and its variants of other widths.
const AT: [(u32, u32); 3] = [(0x40, 0x40), (0xFE6B, 0xFE6B), (0xFF20, 0xFF20)];

/// The pattern of a value of `FieldSchema.Text`, by its name in the proto.
pub(super) fn pattern(text: &str) -> Option<String> {
    let words = |without: &[(u32, u32)]| {
        let class = class(UNSEEN.iter().chain(without));
        format!("^[^{class}]+(?: [^{class}]+)*$")
    };
    match text {
        "TEXT_NAME" => Some(words(&[])),
        "TEXT_USERNAME" => Some(words(&[&SHAPING[..], &AT].concat())),
        "TEXT_STORED_USERNAME" => Some(format!("^[^{}]+$", class(CONTROLS.iter()))),
        "TEXT_EMAIL" => {
            let atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
            let label = format!("[A-Za-z0-9](?:{atom}{{0,61}}[A-Za-z0-9])?");
            Some(format!(r"^{atom}+(?:\.{atom}+)*@{label}(?:\.{label})+$"))
        }
        _ => None,
    }
}

/// The inside of a pair of brackets.
fn class<'a>(ranges: impl Iterator<Item = &'a (u32, u32)>) -> String {
    let mut class = String::new();
    for &(first, last) in ranges {
        for (at, code) in [(0, first), (1, last)] {
            if at == 1 && first == last {
                continue;
            }
            if at == 1 {
                class.push('-');
            }
            match char::from_u32(code).filter(|_| code > 0xFFFF) {
                Some(character) => class.push(character),
                None => write!(class, r"\u{code:04x}").unwrap_or_default(),
            }
        }
    }
    class
}
