//! Passwords that are guessed first: the most common ones, and a few characters repeated. Separate from the policy
//! because it is about texts only, and about the embedded list.

/// The common passwords in lower case and in the order of their bytes, one a line. `NOTICE.md` beside it names the
/// source. It has all passwords of the source with 8 characters or more, so it holds the "top 3000 which match the
/// application's password policy" (ASVS 5.0, 6.2.4).
const COMMON: &str = include_str!("common-passwords.txt");

/// A shorter text is too short for a password, and repeating it makes it no better.
const SHORTEST_UNIT: usize = 8;

/// Whether a password is on the list; `folded` is the result of [`fold`](super::fold).
pub(super) fn is_common(folded: &str) -> bool {
    is_line_of(COMMON, folded)
}

/// Whether a password is a text of under 8 characters, or a common password, repeated; the last repetition may be cut
/// short.
pub(super) fn is_repetition(folded: &str) -> bool {
    let bytes = folded.as_bytes();
    // A text with a period equals itself shifted by the period. A character begins there, because one begins at its
    // start.
    let unit = (1..=bytes.len() / 2).find(|&period| bytes[period..] == bytes[..bytes.len() - period]);
    let unit = unit.and_then(|period| folded.get(..period));
    unit.is_some_and(|unit| unit.chars().count() < SHORTEST_UNIT || is_common(unit))
}

/// Whether `sought` is one of the lines of `sorted`. It is a binary search in the text: an index would take memory in
/// every process, for a few searches a second.
fn is_line_of(sorted: &str, sought: &str) -> bool {
    let text = sorted.as_bytes();
    // Both offsets are the beginning of a line, or the end of the text.
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = text[low..middle].iter().rposition(|&byte| byte == b'\n').map_or(low, |at| low + at + 1);
        let end = text[middle..high].iter().position(|&byte| byte == b'\n').map_or(high, |at| middle + at);
        match sought.as_bytes().cmp(&text[begin..end]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => high = begin,
            std::cmp::Ordering::Greater => low = (end + 1).min(high),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{COMMON, is_common, is_line_of, is_repetition};

    #[test]
    fn the_list_is_sorted_folded_and_long_enough() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "sorted, and none twice");
        assert!(lines.iter().all(|line| **super::super::fold(line) == **line), "looked up by what was folded");
        assert!(lines.iter().all(|line| line.len() >= 8 && line.is_ascii()));
        assert_eq!(lines.len(), 17_950, "as NOTICE.md says");
        assert_eq!(lines.iter().filter(|line| line.len() >= 15).count(), 41, "as NOTICE.md says");
        assert!(COMMON.ends_with('\n') && !COMMON.contains('\r'));
        assert!(lines.iter().all(|line| is_common(line)), "every one is found");
    }

    #[test]
    fn what_is_common_is_found_and_nothing_else() {
        for common in ["password", "12345678", "iloveyou", "qwertyuiop", "123456789987654321"] {
            assert!(is_common(common), "{common}");
        }
        for other in ["", "p", "passwor", "password ", "password\n", "s3cur3pass", "zzzzzzzzzzzzzzzzzzzz", "🦀"] {
            assert!(!is_common(other), "{other:?}");
        }
    }

    #[test]
    fn a_few_characters_over_and_over_are_found() {
        for repeated in
            ["aaaaaaaa", "abababab", "abcabcab", "qwertyqwerty", "passwordpassword", "🦀🦀🦀🦀🦀🦀🦀🦀", "éaéaéa"]
        {
            assert!(is_repetition(repeated), "{repeated}");
        }
        for other in ["", "a", "correct horse correct cow", "k3#vTq9!k3#vTq9!", "abcdefgh", "aaaaaaab"] {
            assert!(!is_repetition(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_line_is_found_in_any_sorted_text(lines in prop::collection::btree_set("[a-d]{0,3}", 0..20), sought in "[a-d]{0,3}") {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(is_line_of(&text, &sought), lines.contains(&sought));
        }

        #[test]
        fn no_input_panics(input in "\\PC{0,60}") {
            let _ = (is_common(&input), is_repetition(&input), is_repetition(&format!("{input}{input}")));
        }
    }
}
