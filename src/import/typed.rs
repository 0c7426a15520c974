//! Parses typed columns of files in which every value is text: NULL, booleans and times as databases and their clients
//! write them. Separate because several formats read them; a text that is merely present must never count as true.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How exporters and database clients write NULL, in any letter case.
const NULLS: [&str; 9] = ["", "null", r"\n", "(null)", "<null>", "[null]", "none", "nil", "\"\""];

/// Returns the text of a column, or `None` where it is NULL. It is only for columns in which no spelling of NULL can be
/// a value: some people are called Null.
pub(super) fn given(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_null = NULLS.iter().any(|null| text.eq_ignore_ascii_case(null));
    (!is_null).then_some(text)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "1" | "yes" => Some(true),
        "f" | "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// Reads RFC 3339 (`2026-03-04T05:06:07.89Z`) and PostgreSQL's text of a `timestamptz` (`2026-03-04 05:06:07.89+00`),
/// which has a space and a shorter offset. A time without an offset is ambiguous and refused.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    let mut text = text.trim().replacen(' ', "T", 1);
    if !text.is_ascii() {
        return None;
    }
    let offset = text.rfind(['+', '-']).filter(|at| *at > "2026-03-04T".len()).map(|at| text.len() - at);
    match offset {
        Some(3) => text.push_str(":00"),
        Some(5) => text.insert(text.len() - 2, ':'),
        _ => {}
    }
    OffsetDateTime::parse(&text, &Rfc3339).ok()
}

/// Writes a time in RFC 3339, as [`time()`] reads it.
pub(super) fn write_time(time: OffsetDateTime) -> Option<String> {
    time.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::{boolean, given, time, write_time};

    #[test]
    fn every_spelling_of_null_is_empty_and_nothing_else_is() {
        for null in
            ["", "  ", "NULL", "null", "Null", r"\N", "(null)", "<null>", "[NULL]", "None", "nil", "\"\"", " NULL\t"]
        {
            assert_eq!(given(null), None, "{null:?}");
        }
        for text in ["0", "false", "no", "nul", "nullable", "N", "''", "-"] {
            assert_eq!(given(text), Some(text));
        }
    }

    #[test]
    fn booleans_are_read_as_their_writers_spell_them() {
        for (spellings, expected) in [
            (["t", "true", "TRUE", "1", "yes", "Yes"], Some(true)),
            (["f", "false", "False", "0", "no", "NO"], Some(false)),
            (["", "2", "-1", "oui", "null", "truefalse"], None),
        ] {
            for text in spellings {
                assert_eq!(boolean(text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn times_are_read_in_both_spellings() {
        for (text, expected) in [
            ("2026-03-04T05:06:07Z", Some("2026-03-04T05:06:07Z")),
            ("2026-03-04 05:06:07Z", Some("2026-03-04T05:06:07Z")),
            ("2026-03-04 05:06:07.89+00", Some("2026-03-04T05:06:07.89Z")),
            ("2026-03-04 05:06:07.123456+0530", Some("2026-03-04T05:06:07.123456+05:30")),
            ("2026-03-04T05:06:07+00:00", Some("2026-03-04T05:06:07Z")),
            ("2026-03-04 05:06:07-08:00", Some("2026-03-04T05:06:07-08:00")),
            ("2026-03-04", None),
            ("2026-03-04 05:06:07", None),
            ("2026-02-30 05:06:07Z", None),
            ("infinity", None),
            ("yesterday", None),
            ("true", None),
            ("1", None),
            ("", None),
            ("+", None),
            // The text is too short for an offset, and a character of several bytes stands where the colon would go.
            ("2026-03-04 05:06:07+a€", None),
            ("２026-03-04 05:06:07+00", None),
        ] {
            assert_eq!(time(text).and_then(write_time).as_deref(), expected, "{text}");
        }
    }
}
