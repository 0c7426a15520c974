//! The canonical form of a canonical form is itself, for every code point and beside every kind of neighbour.

use proptest::prelude::*;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};
use unicode_normalization::{IsNormalized, is_nfc_quick};

use super::canonical;

/// Text before and after a code point: letters, marks, and characters that compose, expand or change with their
/// neighbour.
const NEIGHBOURS: [&str; 13] =
    ["a", "S", "ẞ", "i", "İ", "\u{301}", "\u{307}", "\u{323}", "α\u{345}", "Ά", "\u{1100}", "\u{11A8}", " "];

/// Code points that change their length, fold in two steps, compose, or were once stored in another form.
const ODD: &[char] = &[
    'ẞ', 'ß', 'ſ', 'İ', 'ı', 'I', 'i', 'ŉ', 'ǰ', 'ΐ', 'ΰ', 'ﬃ', 'ﬅ', 'Ά', 'Σ', 'σ', 'ς', 'Ꭰ', 'ꭰ', 'Ᏸ', 'ᏸ', 'ǅ', 'ǈ',
    'ǲ', 'ᾳ', 'ᾼ', 'ᾈ', 'ῷ', '\u{345}', '\u{301}', '\u{307}', '\u{308}', '\u{323}', 'ᄀ', 'ᅡ', 'ᆨ', '가', '한', 'K', 'Å',
    'Ω', 'ϴ', 'ẚ', 'և', 'ﬓ', 'Ა', 'ა', 'ẖ', 'ή', '\u{1FBE}', '\u{3000}', '\u{A0}', ' ', 'a', 'Z', '\u{34F}',
    '\u{200D}',
];

fn assert_stands_still(text: &str) {
    let once = canonical(text);
    assert_eq!(canonical(&once), once, "{text:?}");
}

#[test]
fn the_canonical_form_of_a_canonical_form_is_itself_for_every_code_point_beside_every_kind_of_neighbour() {
    let mut alone = String::new();
    for c in '\0'..=char::MAX {
        // Many code points are tested in one text, which is faster.
        if alone.len() > 4_096 {
            assert_stands_still(&std::mem::take(&mut alone));
        }
        alone.push(c);
        if is_inert(c) {
            continue;
        }
        assert_stands_still(&c.to_string());
        // A Hangul syllable composes only with a final consonant.
        let neighbours = if ('가'..='힣').contains(&c) { &["\u{11A8}"][..] } else { &NEIGHBOURS };
        for beside in neighbours {
            assert_stands_still(&format!("{beside}{c}"));
            assert_stands_still(&format!("{c}{beside}"));
            assert_stands_still(&format!("{beside}{c}{beside}"));
        }
    }
    assert_stands_still(&alone);
}

/// The code point has no case, does not decompose, and composes with nothing before it, so it stays the same
/// everywhere.
fn is_inert(c: char) -> bool {
    let mut whole = true;
    decompose_canonical(c, |part| whole &= part == c);
    whole
        && canonical_combining_class(c) == 0
        && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
        && c.to_lowercase().eq([c])
        && c.to_uppercase().eq([c])
}

#[test]
fn what_stood_still_before_is_what_it_was() {
    // The rule until 0.1.0, under which names were stored.
    let before = |text: &str| {
        use unicode_normalization::UnicodeNormalization as _;
        text.trim().nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect::<String>()
    };
    let moved: Vec<char> =
        ('\0'..=char::MAX).filter(|&c| canonical(&c.to_string()) != before(&c.to_string())).collect();
    assert_eq!(moved, ['ẞ']);
}

proptest! {
    #[test]
    fn the_canonical_form_of_odd_letters_in_a_row_stands_still(
        text in prop::collection::vec(prop_oneof![3 => prop::sample::select(ODD), 1 => any::<char>()], 0..12)
    ) {
        let once = canonical(&text.into_iter().collect::<String>());
        prop_assert_eq!(canonical(&once), once);
    }
}
