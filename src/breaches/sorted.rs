//! A sorted list of SHA-1s as text: checked when it is opened, then searched in place. Separate from the filter, which
//! is built from such a list.

use super::line::{LONGEST, Sha1, Sha1Lines, parse};
use super::{BreachFile, BreachesError};

/// The range that is searched line by line at the end, in bytes: a page of the disk.
const BLOCK: u64 = 4_096;

/// A file of up to this many bytes is checked from beginning to end when it is opened, which takes a fraction of a
/// second.
const SMALL: u64 = 16 << 20;

/// The number of places at which a larger file is checked, besides its first and last line.
const SAMPLES: u64 = 512;

/// An open list, which has been checked.
#[derive(Debug)]
pub(super) struct Sorted(BreachFile);

/// A line and its place in the file.
struct FoundLine {
    begin: u64,
    /// The offset at which the next line begins.
    end: u64,
    sha1: Sha1,
}

impl Sorted {
    pub(super) fn open(source: BreachFile) -> Result<Self, BreachesError> {
        let list = Self(source);
        if list.0.length <= SMALL {
            let mut lines = Sha1Lines::of(&list.0);
            while lines.next()?.is_some() {}
        } else {
            list.sample().map_err(|error| match error {
                BreachesError::Broken { path, byte } => BreachesError::Malformed { path, line: list.number(byte) },
                other => other,
            })?;
        }
        Ok(list)
    }

    pub(super) fn contains(&self, sought: &Sha1) -> Result<bool, BreachesError> {
        // Both offsets are the beginning of a line, or the end of the file.
        let (mut low, mut high) = (0, self.0.length);
        while high - low > BLOCK {
            let found = self.line_behind(low + (high - low) / 2)?;
            match sought.cmp(&found.sha1) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => high = found.begin,
                std::cmp::Ordering::Greater => low = found.end,
            }
        }
        let mut bytes = [0; BLOCK as usize];
        let wanted = &mut bytes[..usize::try_from(high - low).unwrap_or(0)];
        if self.0.read_at(low, wanted)? < wanted.len() {
            return Err(self.broken(low));
        }
        for line in wanted.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if parse(text).ok_or_else(|| self.broken(low))? == *sought {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks the first line, the last, and samples between them: each must be well-formed, and none less than the one
    /// before.
    fn sample(&self) -> Result<(), BreachesError> {
        let mut before = self.line(0)?;
        let steps = (1..=SAMPLES).map(|step| self.0.length / SAMPLES * step);
        for at in steps.map(|at| at.min(self.0.length - 2 * LONGEST as u64)) {
            // Neighbours are compared too: a file of several sorted lists would pass when only distant lines were
            // compared.
            let first = self.line_behind(at)?;
            let second = if first.end < self.0.length { self.line(first.end)? } else { self.line(first.begin)? };
            for found in [first, second] {
                if found.sha1 < before.sha1 {
                    return Err(BreachesError::Unsorted { path: self.0.path.clone(), line: self.number(found.begin) });
                }
                before = found;
            }
        }
        let mut at = before.end;
        while at < self.0.length {
            let found = self.line(at)?;
            if found.sha1 < before.sha1 {
                return Err(BreachesError::Unsorted { path: self.0.path.clone(), line: self.number(at) });
            }
            at = found.end;
            before = found;
        }
        Ok(())
    }

    /// Returns the first line that begins behind an offset.
    fn line_behind(&self, at: u64) -> Result<FoundLine, BreachesError> {
        let mut bytes = [0; LONGEST];
        let read = self.0.read_at(at, &mut bytes)?;
        match bytes[..read].iter().position(|&byte| byte == b'\n') {
            Some(position) => self.line(at + position as u64 + 1),
            None => Err(self.broken(at)),
        }
    }

    /// Returns the line that begins at an offset.
    fn line(&self, begin: u64) -> Result<FoundLine, BreachesError> {
        let mut bytes = [0; LONGEST];
        let read = self.0.read_at(begin, &mut bytes)?;
        let length = bytes[..read].iter().position(|&byte| byte == b'\n');
        // The last line may lack a line end.
        let last = (begin + read as u64 == self.0.length).then_some(read);
        let line = length.or(last).and_then(|length| Some((length, parse(&bytes[..length])?)));
        let (length, sha1) = line.ok_or_else(|| self.broken(begin))?;
        Ok(FoundLine { begin, end: (begin + length as u64 + 1).min(self.0.length), sha1 })
    }

    fn broken(&self, byte: u64) -> BreachesError {
        BreachesError::Broken { path: self.0.path.clone(), byte }
    }

    /// Returns the number of the line that holds an offset, or 0 when reading fails. It reads everything before the
    /// offset, which is acceptable only at a start that fails.
    fn number(&self, place: u64) -> u64 {
        let (mut at, mut breaks, mut bytes) = (0, 0, vec![0; 1 << 20]);
        while at < place {
            let wanted = usize::try_from(place - at).unwrap_or(bytes.len()).min(bytes.len());
            let Ok(read @ 1..) = self.0.read_at(at, &mut bytes[..wanted]) else {
                return 0;
            };
            breaks += bytes[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
            at += read as u64;
        }
        breaks + 1
    }
}
