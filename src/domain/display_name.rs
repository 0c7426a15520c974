//! Names of people and firms. Separate from `text`, because these names are read by people and need not be unique. They
//! are kept as typed except for white space. They may hold invisible characters that a script or an emoji needs:
//!
//! - U+200C and U+200D where RFC 5892 allows them because they shape the letters beside them (appendix A.1 and A.2), as
//!   in Persian and Sinhala;
//! - U+200D within an emoji, and tags within a flag;
//! - a variation selector behind the character that it selects a form of.

use icu_properties::props::{EmojiModifier, ExtendedPictographic, JoiningType, VariationSelector};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory as _};

use super::text;

/// The longest name in characters (code points).
const LONGEST: usize = 100;

const NON_JOINER: char = '\u{200C}';
const JOINER: char = '\u{200D}';
/// The placeholder of an object that is missing in plain text.
const OBJECT_REPLACEMENT: char = '\u{FFFC}';
const BLACK_FLAG: char = '\u{1F3F4}';
const CANCEL_TAG: char = '\u{E007F}';
/// The combining class of marks that remove the vowel of a letter.
const VIRAMA: u8 = 9;

/// Defines a name of 1 to 100 visible characters.
macro_rules! display_name {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $Name(String);

        impl $Name {
            /// Trims `input`, turns white space into single spaces, and composes it; letter case stays. The error says
            /// what to change, without the input.
            pub fn parse(input: &str) -> Result<Self, &'static str> {
                judge(input).map(Self)
            }

            /// Returns what can be kept of a name from another system: without the characters that [`Self::parse`]
            /// refuses, and cut where it is too long. Returns `None` when nothing is left.
            pub fn cleaned(input: &str) -> Option<Self> {
                clean(input).map(Self)
            }

            /// Takes a name from the database without judging it.
            pub(crate) fn stored(text: String) -> Option<Self> {
                text::stored(text).map(Self)
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

display_name!(
    /// The name of a person: 1 to 100 characters, each visible or shaping a visible one.
    PersonName
);
display_name!(
    /// The name of a firm: 1 to 100 characters, each visible or shaping a visible one.
    FirmName
);

fn judge(input: &str) -> Result<String, &'static str> {
    // A longer input has more than 100 code points of four bytes, whatever normalisation does to it.
    if input.len() > 1_024 {
        return Err("must have at most 100 characters");
    }
    let name = tidy(input);
    let letters: Vec<char> = name.chars().collect();
    match letters.len() {
        0 => Err("is required"),
        length if length > LONGEST => Err("must have at most 100 characters"),
        _ if (0..letters.len()).all(|at| may_stand(&letters, at)) => Ok(name),
        _ => Err("must not contain control or invisible characters"),
    }
}

fn clean(input: &str) -> Option<String> {
    let mut name = tidy(input);
    loop {
        let letters: Vec<char> = name.chars().take(4 * LONGEST).collect();
        let kept: String = (0..letters.len()).filter(|&at| may_stand(&letters, at)).map(|at| letters[at]).collect();
        // Characters that were apart may now be neighbours.
        let kept = tidy(&kept.chars().take(LONGEST).collect::<String>());
        if kept == name {
            return (!name.is_empty()).then_some(name);
        }
        name = kept;
    }
}

/// Composes a text and makes white space single spaces. White space, direction marks and joiners at the ends, which
/// copying often adds, are removed.
fn tidy(text: &str) -> String {
    let is_margin = |c: char| c.is_whitespace() || matches!(c, NON_JOINER..='\u{200F}' | '\u{61C}');
    let mut name = String::with_capacity(text.len());
    for c in text.trim_matches(is_margin).nfc() {
        match c.general_category() {
            Category::SpaceSeparator if name.ends_with(' ') => {}
            Category::SpaceSeparator => name.push(' '),
            _ => name.push(c),
        }
    }
    name
}

/// Whether a character may stand at its place.
fn may_stand(name: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| name[before]);
    let is_after_virama = before.is_some_and(|before| canonical_combining_class(before) == VIRAMA);
    match name[at] {
        NON_JOINER => is_after_virama || is_between_joining(name, at),
        JOINER => is_after_virama || is_within_emoji(name, at),
        OBJECT_REPLACEMENT => false,
        c if is_tag(c) => is_within_flag(name, at),
        c if CodePointSetData::new::<VariationSelector>().contains(c) => {
            before.is_some_and(|base| base != ' ' && !is_combining_mark(base) && !text::is_unprintable(base))
        }
        c if is_combining_mark(c) => before.is_some() && !text::is_unprintable(c),
        c => !text::is_unprintable(c),
    }
}

/// RFC 5892 A.1: the letters on both sides, marks aside, would be joined.
fn is_between_joining(name: &[char], at: usize) -> bool {
    let types = CodePointMapData::<JoiningType>::new();
    let shapes = |c: &char| Some(types.get(*c)).filter(|kind| *kind != JoiningType::Transparent);
    let before = name[..at].iter().rev().find_map(shapes);
    let after = name[at + 1..].iter().find_map(shapes);
    matches!(before, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(after, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

/// Between two pictographs, the first of them perhaps with a skin tone or a selector (UAX 29, GB11).
fn is_within_emoji(name: &[char], at: usize) -> bool {
    let is_picture = |c: &char| CodePointSetData::new::<ExtendedPictographic>().contains(*c);
    let modifies = |c: &&char| {
        CodePointSetData::new::<EmojiModifier>().contains(**c)
            || CodePointSetData::new::<VariationSelector>().contains(**c)
    };
    name[..at].iter().rev().find(|c| !modifies(c)).is_some_and(is_picture) && name.get(at + 1).is_some_and(is_picture)
}

/// Within a flag like that of England: a black flag, tags that spell the region, and the final tag.
fn is_within_flag(name: &[char], at: usize) -> bool {
    let begin = name[..at].iter().rposition(|c| !is_tag(*c));
    let length = name[at..].iter().take_while(|c| is_tag(**c)).count();
    let tags = begin.map(|flag| (name[flag], &name[flag + 1..at + length]));
    tags.is_some_and(|(flag, tags)| {
        flag == BLACK_FLAG && tags.len() > 1 && tags.iter().position(|c| *c == CANCEL_TAG) == Some(tags.len() - 1)
    })
}

fn is_tag(c: char) -> bool {
    ('\u{E0020}'..=CANCEL_TAG).contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FirmName, PersonName};

    const INVISIBLE: &str = "must not contain control or invisible characters";

    #[test]
    fn a_name_is_kept_as_typed_but_for_white_space_and_marks_at_the_ends() {
        for (typed, kept) in [
            (" Ada  Lovelace ", "Ada Lovelace"),
            ("Ada\u{A0}Lovelace", "Ada Lovelace"),
            ("Dupont\u{202F}\u{2009}& fils", "Dupont & fils"),
            ("山田\u{3000}太郎", "山田 太郎"),
            ("\u{200F}\u{202F}Yael\u{200E}", "Yael"),
            ("\u{61C}علي\u{200C}", "علي"),
            ("Zoe\u{308}", "Zoë"),
            ("ﬁ ﷺ ² Ａ", "ﬁ ﷺ ² Ａ"),
            ("Straße", "Straße"),
        ] {
            assert_eq!(PersonName::parse(typed).unwrap().as_str(), kept, "{typed:?}");
            assert_eq!(FirmName::parse(kept).unwrap().as_str(), kept, "{typed:?}");
        }
    }

    #[test]
    fn what_a_script_or_an_emoji_is_written_with_is_kept() {
        for name in [
            "می\u{200C}خواهم",
            "ک\u{64E}\u{200C}\u{64E}ک",
            "ක්\u{200D}ෂ",
            "क्\u{200C}ष",
            "葛\u{E0100}城",
            "辻\u{FE00}",
            "❤\u{FE0F} Ltd",
            "1\u{FE0F}\u{20E3}",
            "👩\u{200D}🚀",
            "👩🏽\u{200D}🚀",
            "🏳\u{FE0F}\u{200D}🌈",
            "👨\u{200D}👩\u{200D}👧",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} Ltd",
            "ᠠ\u{180B}ᠮ",
        ] {
            assert_eq!(PersonName::parse(name).unwrap().as_str(), name, "{name:?}");
            assert_eq!(PersonName::cleaned(name).unwrap().as_str(), name, "{name:?}");
        }
    }

    #[test]
    fn what_shows_nothing_is_refused_and_left_out_by_an_import() {
        for (name, cleaned) in [
            ("Ada\u{200D}m", "Adam"),
            ("Ada\u{200C}m", "Adam"),
            ("می\u{200C}\u{200C}خواهم", "میخواهم"),
            ("🦀\u{200D}a", "🦀a"),
            ("\u{FE0F}Ada", "Ada"),
            ("A \u{FE0F}B", "A B"),
            ("a\u{301}\u{FE0F}\u{FE0F}", "á\u{FE0F}"),
            ("🏴\u{E0067}\u{E0062} Ltd", "🏴 Ltd"),
            ("🦀\u{E0067}\u{E007F}", "🦀"),
            ("Ada\tLovelace", "AdaLovelace"),
            ("Ada\0", "Ada"),
            ("\u{202E}adA", "adA"),
            ("A\u{2066}d\u{2069}a", "Ada"),
            ("A\u{200E}da", "Ada"),
            ("\u{FFFC} Ada", "Ada"),
            ("\u{301}Ada", "Ada"),
            ("Ada\u{3164}", "Ada"),
        ] {
            assert_eq!(PersonName::parse(name), Err(INVISIBLE), "{name:?}");
            assert_eq!(PersonName::cleaned(name).unwrap().as_str(), cleaned, "{name:?}");
        }
        assert_eq!(PersonName::parse(" \u{200F}\u{3000}"), Err("is required"));
        assert_eq!(PersonName::cleaned("\u{FFFC}\u{202E} \t"), None);
        assert_eq!(PersonName::parse(&"a".repeat(101)), Err("must have at most 100 characters"));
        assert_eq!(PersonName::cleaned(&"a".repeat(9_999)).unwrap().as_str(), "a".repeat(100));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_again(input in "[\\PC\\p{Cf}\\p{Zs}]{0,40}") {
            if let Ok(name) = PersonName::parse(&input) {
                prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(PersonName::cleaned(name.as_str()), Some(name));
            }
        }

        #[test]
        fn what_is_cleaned_is_good(input in any::<String>()) {
            if let Some(name) = PersonName::cleaned(&input) {
                prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
