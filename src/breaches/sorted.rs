//! A sorted list of SHA-1s as text: checked when it is opened, searched by halving. Apart from the filter, of which it is
//! the source.

use super::line::{LONGEST, Lines, Sha1, parse};
use super::{BreachesError, Source};

/// So much is looked through from line to line: a page of the disk.
const BLOCK: u64 = 4_096;

/// A file up to this size is read from beginning to end when it is opened, in a fraction of a second.
const SMALL: u64 = 16 << 20;

/// In how many places a larger one is looked at, besides its first and last line.
const SAMPLES: u64 = 512;

/// The open list.
#[derive(Debug)]
pub(super) struct Sorted(Source);

/// A line and where it is.
struct Found {
    begin: u64,
    /// Where the next line begins.
    end: u64,
    sha1: Sha1,
}

impl Sorted {
    pub fn open(source: Source) -> Result<Self, BreachesError> {
        let list = Self(source);
        if list.0.length <= SMALL {
            let mut lines = Lines::of(&list.0);
            while lines.next()?.is_some() {}
        } else {
            list.sample().map_err(|error| match error {
                BreachesError::Broken { path, byte } => BreachesError::Malformed { path, line: list.number(byte) },
                other => other,
            })?;
        }
        Ok(list)
    }

    pub fn contains(&self, sought: &Sha1) -> Result<bool, BreachesError> {
        // Each is where a line begins, or the end.
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

    /// The first line, the last, and some between them: each must be one, and none less than the one before.
    fn sample(&self) -> Result<(), BreachesError> {
        let mut before = self.line(0)?;
        let steps = (1..=SAMPLES).map(|step| self.0.length / SAMPLES * step);
        for at in steps.map(|at| at.min(self.0.length - 2 * LONGEST as u64)) {
            // Two that are neighbours, too: a list that is sorted in parts only looks sorted from afar.
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

    /// The first line that begins behind a place.
    fn line_behind(&self, at: u64) -> Result<Found, BreachesError> {
        let mut bytes = [0; LONGEST];
        let read = self.0.read_at(at, &mut bytes)?;
        match bytes[..read].iter().position(|&byte| byte == b'\n') {
            Some(position) => self.line(at + position as u64 + 1),
            None => Err(self.broken(at)),
        }
    }

    /// The line that begins there.
    fn line(&self, begin: u64) -> Result<Found, BreachesError> {
        let mut bytes = [0; LONGEST];
        let read = self.0.read_at(begin, &mut bytes)?;
        let length = bytes[..read].iter().position(|&byte| byte == b'\n');
        // The last one may end without a break.
        let last = (begin + read as u64 == self.0.length).then_some(read);
        let line = length.or(last).and_then(|length| Some((length, parse(&bytes[..length])?)));
        let (length, sha1) = line.ok_or_else(|| self.broken(begin))?;
        Ok(Found { begin, end: (begin + length as u64 + 1).min(self.0.length), sha1 })
    }

    fn broken(&self, byte: u64) -> BreachesError {
        BreachesError::Broken { path: self.0.path.clone(), byte }
    }

    /// Which line it is that a place is in. Reads all that is before it, which only a start that fails is worth; 0 when even
    /// that fails.
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
