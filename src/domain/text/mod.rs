//! The normalisation of names, and the invisible characters. Separate because usernames, emails and the names of people
//! and firms share it.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory as _};

/// Trims a text and brings it into Unicode's composed form (NFC).
pub(super) fn normalise(text: &str) -> String {
    text.trim().nfc().collect()
}

/// Returns the canonical form: [`normalise`]d, with one form of each letter ([`one_case`]), and composed again, because
/// case folding can decompose (`İ` becomes `i` and a combining dot). Uniqueness is judged on it: it is the same however
/// the name was typed, and for every text, the canonical form of a canonical form is itself.
pub(super) fn canonical(text: &str) -> String {
    // Most names are ASCII, for which this gives the same result.
    if text.is_ascii() {
        return text.trim().to_ascii_lowercase();
    }
    one_case(normalise(text).chars()).nfc().collect()
}

/// Returns the [`normalise`]d text in lower case, letter by letter: the form in which an earlier version stored some
/// names.
pub(super) fn small(text: &str) -> String {
    normalise(text).chars().flat_map(char::to_lowercase).nfc().collect()
}

/// Maps each letter to lower, to upper and to lower case again, so that `ſ` and `s`, `ς` and `σ`, `ß` and `ss` become
/// the same, as they are in capitals. It begins with lower case because the capital `ẞ` is its own capital: otherwise
/// `ẞ` would become `ß`, and only a second application would make that `ss`.
pub(super) fn one_case(letters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Takes a text from the database. It is not judged again; only a text that no version of this service can have stored
/// is refused.
pub(super) fn stored(text: String) -> Option<String> {
    (!text.is_empty() && text.len() <= 1_024 && !text.contains('\0')).then_some(text)
}

/// Whether `text` has an `@`, or an `@` in another width.
pub(super) fn has_at_sign(text: &str) -> bool {
    text.nfkc().any(|c| c == '@')
}

/// Whether `text` has a character that is invisible or that changes how others appear: controls, NUL, bidirectional and
/// zero-width marks, unassigned and private code points, spaces other than U+0020, two spaces in a row, or a combining
/// mark at its beginning. Databases disagree about some of them (SQLite keeps a NUL, PostgreSQL refuses it), and people
/// cannot tell such names apart.
pub(super) fn has_unprintable(text: &str) -> bool {
    let begins_with_mark = text.chars().next().is_some_and(is_combining_mark);
    begins_with_mark || text.contains("  ") || text.chars().any(is_unprintable)
}

/// Whether a character is one of those of [`has_unprintable`].
pub(super) fn is_unprintable(c: char) -> bool {
    match c.general_category() {
        Category::Control
        | Category::Format
        | Category::Surrogate
        | Category::PrivateUse
        | Category::Unassigned
        | Category::LineSeparator
        | Category::ParagraphSeparator => true,
        Category::SpaceSeparator => c != ' ',
        _ => is_blank(c),
    }
}

/// Whether a character shows nothing: Unicode's `Default_Ignorable_Code_Point`s that are letters or marks by category,
/// and the blanks of braille, music, hieroglyphs and Khitan.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{13441}' | '\u{13442}' | '\u{16FE4}' | '\u{1D159}'
        | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests;
