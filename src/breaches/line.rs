//! The lines of a list of breached passwords: parsing one, and reading them in order. Separate from the search because
//! building a filter reads them too.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use super::{BreachFile, BreachesError};

/// A SHA-1, as 20 bytes.
pub(super) type Sha1 = [u8; 20];

/// The bytes of the longest line: 40 digits, a colon, a count of up to 20 digits, and a line end of two bytes.
pub(super) const LONGEST: usize = 64;

/// Parses a line without its `
/// `: 40 hexadecimal digits, then nothing or a colon and digits. Published lists end their lines with `\r
/// `.
pub(super) fn parse(line: &[u8]) -> Option<Sha1> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, behind) = line.split_at_checked(40)?;
    let is_count = |count: &[u8]| !count.is_empty() && count.iter().all(u8::is_ascii_digit);
    if !behind.is_empty() && !behind.strip_prefix(b":").is_some_and(is_count) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut sha1 = [0; 20];
    for (byte, pair) in sha1.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(sha1)
}

/// The lines of a file from its beginning, each checked to be no less than the one before it.
pub(super) struct Sha1Lines<'a> {
    source: &'a BreachFile,
    reader: BufReader<&'a File>,
    buffer: Vec<u8>,
    number: u64,
    before: Option<Sha1>,
    /// The number of bytes that were read.
    pub read: u64,
}

impl<'a> Sha1Lines<'a> {
    pub(super) fn of(source: &'a BreachFile) -> Self {
        let reader = BufReader::with_capacity(1 << 20, &source.file);
        Self { source, reader, buffer: Vec::with_capacity(LONGEST), number: 0, before: None, read: 0 }
    }

    /// Returns the next line, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Sha1>, BreachesError> {
        self.buffer.clear();
        // Without this bound, a file without line ends would be read into memory.
        let read = (&mut self.reader).take(LONGEST as u64).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| BreachesError::Unreadable(self.source.path.clone(), error))?;
        if read == 0 {
            return Ok(None);
        }
        self.read += read as u64;
        self.number += 1;
        let path = || self.source.path.clone();
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let Some(sha1) = parse(line) else {
            return Err(BreachesError::Malformed { path: path(), line: self.number });
        };
        if self.before.is_some_and(|before| before > sha1) {
            return Err(BreachesError::Unsorted { path: path(), line: self.number });
        }
        self.before = Some(sha1);
        Ok(Some(sha1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    const HEX: &str = "00000000A8DAE4228F821FB418F59826079BF368";

    #[test]
    fn a_line_is_forty_digits_and_perhaps_a_count() {
        let expected = parse(HEX.as_bytes());
        assert_eq!(expected.map(|sha1| sha1[3..6].to_vec()), Some(vec![0x00, 0xa8, 0xda]));
        for same in
            [HEX.to_lowercase(), format!("{HEX}\r"), format!("{HEX}:1"), format!("{HEX}:18446744073709551615\r")]
        {
            assert_eq!(parse(same.as_bytes()), expected, "{same:?}");
        }
        for wrong in
            ["", "\r", &HEX[1..], &format!("{HEX}0"), &format!("{HEX}:"), &format!("{HEX}:x"), &format!(" {HEX}")]
        {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(parse(HEX.replace('A', "G").as_bytes()), None, "no digit");
        assert_eq!(parse("ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ".as_bytes()), None, "forty bytes of other text");
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&line);
        }
    }
}
