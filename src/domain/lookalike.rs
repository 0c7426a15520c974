//! Refuses new usernames that could be mistaken for another. Separate from `text`, which every name passes: only names
//! of new and renamed accounts are judged here, so a stricter rule locks no account out.
//!
//! 1. A letter must not be in another form, such as full width or superscript: it has a compatibility mapping.
//! 2. A letter with a dot must not have a second dot, which is invisible. (`İ` is kept as `i` with a combining dot.)
//! 3. All letters are of one script, or of scripts that are written together with Latin in East Asia: "Highly
//!    Restrictive" of UTS 39, section 5.2. Characters of no script (digits, punctuation, spaces, emoji) go with each.
//!
//! Names of one script may still look alike, as `l` and `1` do, and so may a word in Cyrillic and one in Latin.

use icu_properties::CodePointSetData;
use icu_properties::props::{EmojiPresentation, Script, SoftDotted};
use icu_properties::script::ScriptWithExtensions;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

/// The scripts that are written together with Latin.
const TOGETHER: [&[Script]; 3] = [
    &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Latin, Script::Han, Script::Bopomofo],
    &[Script::Latin, Script::Han, Script::Hangul],
];

/// The combining dot above, U+0307.
const DOT_ABOVE: char = '\u{307}';

/// The class of combining marks that stand above a letter.
const ABOVE: u8 = 230;

/// Returns what to change in a name of canonical form, if anything.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    if name.contains('\u{FFFC}') {
        // The placeholder of an object that is missing in plain text.
        Some("must not contain control or invisible characters")
    } else if name.chars().any(is_another_form) {
        Some("must not contain letters in another form, as full width or superscript: type them plain")
    } else if has_second_dot(name) {
        Some("must not contain \u{130} or a second dot on a letter: type i")
    } else if mixes_scripts(name) {
        Some("must not mix letters of different scripts, as Latin and Cyrillic: use one of them")
    } else {
        None
    }
}

fn is_another_form(c: char) -> bool {
    match c {
        // These letters of Thai and Lao have a mapping to their parts, and no other form.
        '\u{E33}' | '\u{EB3}' | '\u{EDC}' | '\u{EDD}' => false,
        c => std::iter::once(c).nfkc().ne([c]) && !CodePointSetData::new::<EmojiPresentation>().contains(c),
    }
}

fn has_second_dot(name: &str) -> bool {
    let mut is_dotted = false;
    name.chars().any(|c| {
        let second = is_dotted && c == DOT_ABOVE;
        // A mark below or beside a letter leaves its dot visible.
        if matches!(canonical_combining_class(c), 0 | ABOVE) {
            is_dotted = CodePointSetData::new::<SoftDotted>().contains(c);
        }
        second
    })
}

fn mixes_scripts(name: &str) -> bool {
    let scripts = ScriptWithExtensions::new();
    let is_owned = |c: &char| {
        let owners = scripts.get_script_extensions_val(*c);
        !owners.contains(&Script::Common) && !owners.contains(&Script::Inherited)
    };
    let letters = || name.chars().filter(is_owned);
    let are_all_of = |some: &[Script]| letters().all(|c| some.iter().any(|script| scripts.has_script(c, *script)));
    let Some(first) = letters().next() else {
        return false;
    };
    let is_of_one = scripts.get_script_extensions_val(first).iter().any(|script| are_all_of(&[script]));
    !is_of_one && !TOGETHER.iter().any(|some| are_all_of(some))
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn a_name_that_could_be_taken_for_another_is_refused_with_what_to_change() {
        for (name, word) in [
            ("ａlice", "form"),
            ("alice²", "form"),
            ("𝐚lice", "form"),
            ("ⅷ henry", "form"),
            ("ｱﾘｽ", "form"),
            ("ﷺabc", "form"),
            ("jessi\u{307}ca", "dot"),
            ("jessi\u{323}\u{307}ca", "dot"),
            ("\u{1ECB}\u{307}ca", "dot"),
            ("аlice", "scripts"),
            ("αlice", "scripts"),
            ("алиcа", "scripts"),
            ("alice٣", "scripts"),
            ("日本алиса", "scripts"),
            ("カナ한글", "scripts"),
        ] {
            assert!(problem(name).is_some_and(|problem| problem.contains(word)), "{name}");
        }
    }

    #[test]
    fn names_of_every_script_with_digits_spaces_and_emoji_are_fine() {
        for name in [
            "alice",
            "al 🦀 ice",
            "👍🏽 bob",
            "алиса 42",
            "αλίκη",
            "zoë_ng!",
            "日本 taro",
            "ひらがなカナ漢字",
            "한글 kim",
            "ㄅㄆㄇ漢字",
            "علي ٣",
            "देवी १",
            "น้ำฝน",
            "ນ້ຳຝົນ",
            "יעל",
            "ꭰꮃꮅ",
            "🦀🦀🦀",
            "12345",
            "🈁 abc",
            "g\u{307}ana",
            "ı\u{300}stan",
        ] {
            assert_eq!(problem(name), None, "{name}");
        }
    }
}
