//! Times as the formats write them: RFC 3339, and PostgreSQL's text of a `timestamptz`, which differs from it in a space and
//! a shorter offset. Separate because two formats read them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2026-03-04T05:06:07.89Z` or `2026-03-04 05:06:07.89+00`.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let mut text = text.trim().replacen(' ', "T", 1);
    let offset = text.rfind(['+', '-']).filter(|at| *at > "2026-03-04T".len()).map(|at| text.len() - at);
    match offset {
        Some(3) => text.push_str(":00"),
        Some(5) => text.insert(text.len() - 2, ':'),
        _ => {}
    }
    OffsetDateTime::parse(&text, &Rfc3339).ok()
}

/// As [`parse`] reads it: RFC 3339.
pub(super) fn write(time: OffsetDateTime) -> Option<String> {
    time.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn both_spellings_are_read() {
        for (text, expected) in [
            ("2026-03-04T05:06:07Z", Some("2026-03-04T05:06:07Z")),
            ("2026-03-04 05:06:07.89+00", Some("2026-03-04T05:06:07.89Z")),
            ("2026-03-04 05:06:07.123456+0530", Some("2026-03-04T05:06:07.123456+05:30")),
            ("2026-03-04 05:06:07-08:00", Some("2026-03-04T05:06:07-08:00")),
            ("2026-03-04", None),
            ("2026-03-04 05:06:07", None),
            ("yesterday", None),
            ("", None),
            ("+", None),
        ] {
            assert_eq!(parse(text).and_then(write).as_deref(), expected, "{text}");
        }
    }
}
