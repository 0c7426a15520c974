//! Reads the lines of a file, each of bounded length. Separate because all text formats need it, and a file without
//! line ends must not cost more memory in any of them.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};

use super::RecordError;

/// The longest line that is read, in bytes. No account that we export comes near it.
pub(super) const LONGEST: usize = 64 * 1_024;

pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    number: u64,
    bytes: u64,
}

/// A line with its line end, if it has one.
#[derive(Debug)]
pub(super) struct Line {
    /// The number of the line, counted from 1.
    pub number: u64,
    /// The line, or `None` when it is longer than [`LONGEST`] and was skipped.
    pub text: Option<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input: BufReader::with_capacity(LONGEST, input), number: 0, bytes: 0 }
    }

    /// Returns how many bytes have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        // One byte more than the limit shows that the line is too long.
        let mut read = self.input.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_too_long = read > LONGEST;
        while is_too_long && text.last() != Some(&b'\n') {
            text.clear();
            let more = self.input.by_ref().take(LONGEST as u64).read_until(b'\n', &mut text)?;
            if more == 0 {
                break;
            }
            read += more;
        }
        self.bytes += read as u64;
        if self.number == 1 && text.starts_with(b"\xEF\xBB\xBF") {
            // A byte order mark is not part of the text.
            text.drain(..3);
        }
        Ok(Some(Line { number: self.number, text: (!is_too_long).then_some(text) }))
    }
}

/// The refusal of a line that is longer than [`LONGEST`].
pub(super) fn too_long() -> RecordError {
    RecordError::malformed(format!("the line is longer than {LONGEST} bytes"))
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{LONGEST, Lines};

    #[test]
    fn lines_are_counted_and_those_that_are_too_long_are_skipped() {
        let long = "x".repeat(3 * LONGEST + 7);
        let just = "y".repeat(LONGEST - 1);
        let text = format!("\u{feff}one\r\n{long}\n\n{just}\n{long}");
        let mut lines = Lines::new(Box::new(Cursor::new(text.clone())));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.text.map(|text| String::from_utf8(text).unwrap())));
        }
        let expected =
            [(1, Some("one\r\n".to_owned())), (2, None), (3, Some("\n".to_owned())), (4, Some(format!("{just}\n")))];
        assert_eq!(found[..4], expected);
        assert_eq!((found.len(), &found[4]), (5, &(5, None)));
        assert_eq!(lines.bytes(), text.len() as u64);
    }
}
