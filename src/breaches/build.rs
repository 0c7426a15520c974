//! Builds a filter from a sorted list in one pass and with little memory. Separate from `filter`, which the server
//! needs; this runs once, on the operator's command.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use xorf::{BinaryFuse8, BinaryFuse16, Descriptor};

use super::format::{self, ENTRY, FilterHeader, Fingerprint, HEADER, MOST_SHARD_BITS};
use super::line::Sha1Lines;
use super::{BreachFile, BreachesError};

/// The target number of passwords in one shard: with fingerprints of 16 bits, a look-up reads 40 KB.
const SHARD: u64 = 16_384;

/// The length of the shortest line, in bytes.
const SHORTEST_LINE: u64 = 41;

/// What [`build`] has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// The number of passwords in the filter.
    pub passwords: u64,
    /// The size of the filter in bytes.
    pub bytes: u64,
}

/// Builds the filter `output` from the list `input`. `progress` is called with the bytes read and the bytes in all, and
/// may stop the work. `output` must not exist; it appears under its name only when it is complete.
pub fn build(
    input: &Path,
    output: &Path,
    fingerprint: Fingerprint,
    progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Built, BreachesError> {
    let source = BreachFile::open(input)?;
    if output.try_exists().map_err(|error| BreachesError::Unwritable(output.to_owned(), error))? {
        return Err(BreachesError::Exists(output.to_owned()));
    }
    let part = PathBuf::from([output.as_os_str(), ".part".as_ref()].into_iter().collect::<OsString>());
    let built = write(&source, &part, fingerprint, progress).and_then(|built| {
        fs::rename(&part, output).map_err(|error| BreachesError::Unwritable(output.to_owned(), error))?;
        Ok(built)
    });
    if built.is_err() {
        // The partial file may not exist.
        let _ = fs::remove_file(&part);
    }
    built
}

fn write(
    source: &BreachFile,
    part: &Path,
    fingerprint: Fingerprint,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Built, BreachesError> {
    let unwritable = |error| BreachesError::Unwritable(part.to_owned(), error);
    let shards = (source.length / SHORTEST_LINE).div_ceil(SHARD).max(1);
    let shard_bits = shards.next_power_of_two().trailing_zeros().min(MOST_SHARD_BITS);
    let mut table = Vec::with_capacity(ENTRY << shard_bits);
    let mut file = File::create(part).map_err(unwritable)?;
    let begin = HEADER as u64 + (ENTRY as u64) * (1 << shard_bits);
    file.seek(SeekFrom::Start(begin)).map_err(unwritable)?;

    let mut out = ShardWriter { file: BufWriter::with_capacity(1 << 20, file), at: begin, fingerprint };
    let mut lines = Sha1Lines::of(source);
    let mut next = lines.next()?.map(|sha1| format::key(&sha1));
    let (mut keys, mut passwords) = (Vec::new(), 0);
    for shard in 0..1 << shard_bits {
        keys.clear();
        while let Some(key) = next.filter(|&key| format::shard(key, shard_bits) == shard) {
            keys.push(key);
            next = lines.next()?.map(|sha1| format::key(&sha1));
        }
        // A list may hold a password twice, and a filter cannot be built from equal keys.
        keys.dedup();
        table.extend(out.add(&keys).map_err(unwritable)?);
        passwords += keys.len() as u64;
        if progress(lines.read, source.length).is_break() {
            return Err(BreachesError::Stopped);
        }
    }
    let bytes = out.at;
    let mut file = out.file.into_inner().map_err(|error| unwritable(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
    let header = FilterHeader { fingerprint, shard_bits, keys: passwords, length: bytes };
    file.write_all(&[header.to_bytes(&table), table].concat()).map_err(unwritable)?;
    file.sync_all().map_err(unwritable)?;
    Ok(Built { passwords, bytes })
}

/// Writes the shards of a filter one after the other.
struct ShardWriter {
    file: BufWriter<File>,
    at: u64,
    fingerprint: Fingerprint,
}

impl ShardWriter {
    /// Writes the shard of `keys`, which are all different, and returns its entry in the table.
    fn add(&mut self, keys: &[u64]) -> io::Result<[u8; ENTRY]> {
        let keys = keys.iter().copied();
        let (descriptor, bytes): (_, Vec<u8>) = match self.fingerprint {
            _ if keys.len() == 0 => {
                let nothing =
                    Descriptor { seed: 0, segment_length: 0, segment_length_mask: 0, segment_count_length: 0 };
                (nothing, Vec::new())
            }
            Fingerprint::Bits8 => {
                let made = BinaryFuse8::try_from_iterator(keys).map_err(io::Error::other)?;
                (made.descriptor, made.fingerprints.into())
            }
            Fingerprint::Bits16 => {
                let made = BinaryFuse16::try_from_iterator(keys).map_err(io::Error::other)?;
                (made.descriptor, made.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()).collect())
            }
        };
        let width = self.fingerprint.bits() as usize / 8;
        let count = u32::try_from(bytes.len() / width).map_err(io::Error::other)?;
        let entry = format::entry(self.at, &descriptor, &bytes, count);
        self.file.write_all(&bytes)?;
        self.at += bytes.len() as u64;
        Ok(entry)
    }
}
