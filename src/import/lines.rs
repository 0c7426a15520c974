//! The lines of a file, each of bounded length. Apart from the formats because each of those that are texts needs it, and
//! none of them may take more memory because a file has no line ends.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};

use super::Refusal;

/// In bytes. No account of ours comes near it.
pub(super) const LONGEST: usize = 64 * 1_024;

/// Reads line by line.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    number: u64,
    bytes: u64,
}

/// A line with its end, if it has one.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub number: u64,
    /// `None` when it is longer than [`LONGEST`]; it is skipped.
    pub text: Option<Vec<u8>>,
}

impl Lines {
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input: BufReader::with_capacity(LONGEST, input), number: 0, bytes: 0 }
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        // One more tells a line that is too long.
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
            // A byte order mark is no part of a text.
            text.drain(..3);
        }
        Ok(Some(Line { number: self.number, text: (!is_too_long).then_some(text) }))
    }
}

/// What a line is that has no text.
pub(super) fn too_long() -> Refusal {
    Refusal::malformed(format!("the line is longer than {LONGEST} bytes"))
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
