//! Looks a password up in a filter. Separate from `build`, which makes the filter once on an operator's machine.

use xorf::{BinaryFuse8, BinaryFuse16, Descriptor, Filter as _};

use super::format::{
    ENTRY, FilterHeader, Fingerprint, HEADER, MAGIC, UNCHECKED, VERSION, key, sha256, shard, u32_at, u64_at,
};
use super::line::Sha1;
use super::{BreachFile, BreachesError};

/// Whether a file begins with the magic bytes of a filter.
pub(super) fn begins(source: &BreachFile) -> Result<bool, BreachesError> {
    let mut magic = [0; MAGIC.len()];
    Ok(source.read_at(0, &mut magic)? == magic.len() && magic == *MAGIC)
}

/// An open filter with a checked header.
#[derive(Debug)]
pub(super) struct Filter {
    source: BreachFile,
    header: FilterHeader,
}

impl Filter {
    pub(super) fn open(source: BreachFile) -> Result<Self, BreachesError> {
        let damaged = || BreachesError::Damaged(source.path.clone());
        let mut bytes = [0; HEADER];
        if source.read_at(0, &mut bytes)? < 12 {
            return Err(damaged());
        }
        // The version comes first, because the header of another version has another form.
        let version = u32_at(&bytes, 8);
        if version != VERSION {
            return Err(BreachesError::OtherVersion { path: source.path.clone(), version });
        }
        let header = FilterHeader::parse(&bytes).filter(|header| header.length == source.length).ok_or_else(damaged)?;
        let mut table = vec![0; ENTRY << header.shard_bits];
        let read = source.read_at(HEADER as u64, &mut table)?;
        if read < table.len() || sha256(&[&table]) != bytes[HEADER - 64..HEADER - 32] {
            return Err(damaged());
        }
        Ok(Self { source, header })
    }

    pub(super) fn contains(&self, sha1: &Sha1) -> Result<bool, BreachesError> {
        let key = key(sha1);
        self.part_has(key)?.ok_or_else(|| BreachesError::Damaged(self.source.path.clone()))
    }

    /// Returns `None` when the shard is damaged.
    fn part_has(&self, key: u64) -> Result<Option<bool>, BreachesError> {
        let mut entry = [0; ENTRY];
        let place = HEADER as u64 + ENTRY as u64 * shard(key, self.header.shard_bits);
        if self.source.read_at(place, &mut entry)? < ENTRY {
            return Ok(None);
        }
        let [count, segment_length, segment_count_length] = [16, 20, 24].map(|at| u32_at(&entry, at));
        let width = u64::from(self.header.fingerprint.bits() / 8);
        let (offset, length) = (u64_at(&entry, 0), u64::from(count) * width);
        // The size of the file bounds the memory, whatever length the entry gives.
        if offset.checked_add(length).is_none_or(|end| end > self.source.length) {
            return Ok(None);
        }
        let mut fingerprints = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self.source.read_at(offset, &mut fingerprints)?;
        if read < fingerprints.len() || sha256(&[&entry[..UNCHECKED], &fingerprints])[..8] != entry[UNCHECKED..] {
            return Ok(None);
        }
        if count == 0 {
            return Ok(Some(false));
        }
        // The library relies on these relations when it indexes the fingerprints.
        let fits = segment_length.is_power_of_two()
            && segment_count_length.is_multiple_of(segment_length)
            && u64::from(count) == u64::from(segment_count_length) + 2 * u64::from(segment_length);
        if !fits {
            return Ok(None);
        }
        let seed = u64_at(&entry, 8);
        let segment_length_mask = segment_length - 1;
        let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
        Ok(Some(match self.header.fingerprint {
            Fingerprint::Bits8 => BinaryFuse8 { descriptor, fingerprints: fingerprints.into() }.contains(&key),
            Fingerprint::Bits16 => {
                let fingerprints = fingerprints.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                BinaryFuse16 { descriptor, fingerprints: fingerprints.collect() }.contains(&key)
            }
        }))
    }
}
