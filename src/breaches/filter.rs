//! Looking a password up in a filter. Apart from `build`, which makes it once, on a machine of the operator's.

use xorf::{BinaryFuse8, BinaryFuse16, Descriptor, Filter as _};

use super::format::{
    ENTRY, Fingerprint, HEADER, Header, MAGIC, UNCHECKED, VERSION, key, sha256, shard, u32_at, u64_at,
};
use super::line::Sha1;
use super::{BreachesError, Source};

/// Whether a file begins as a filter does.
pub(super) fn begins(source: &Source) -> Result<bool, BreachesError> {
    let mut magic = [0; MAGIC.len()];
    Ok(source.read_at(0, &mut magic)? == magic.len() && magic == *MAGIC)
}

/// The open filter.
#[derive(Debug)]
pub(super) struct Filter {
    source: Source,
    header: Header,
}

impl Filter {
    pub fn open(source: Source) -> Result<Self, BreachesError> {
        let damaged = || BreachesError::Damaged(source.path.clone());
        let mut bytes = [0; HEADER];
        if source.read_at(0, &mut bytes)? < 12 {
            return Err(damaged());
        }
        // Before anything else: another version has another form.
        let version = u32_at(&bytes, 8);
        if version != VERSION {
            return Err(BreachesError::OtherVersion { path: source.path.clone(), version });
        }
        let header = Header::parse(&bytes).filter(|header| header.length == source.length).ok_or_else(damaged)?;
        let mut table = vec![0; ENTRY << header.shard_bits];
        let read = source.read_at(HEADER as u64, &mut table)?;
        if read < table.len() || sha256(&[&table]) != bytes[HEADER - 64..HEADER - 32] {
            return Err(damaged());
        }
        Ok(Self { source, header })
    }

    pub fn contains(&self, sha1: &Sha1) -> Result<bool, BreachesError> {
        let key = key(sha1);
        self.part_has(key)?.ok_or_else(|| BreachesError::Damaged(self.source.path.clone()))
    }

    /// `None` when the part is damaged.
    fn part_has(&self, key: u64) -> Result<Option<bool>, BreachesError> {
        let mut entry = [0; ENTRY];
        let place = HEADER as u64 + ENTRY as u64 * shard(key, self.header.shard_bits);
        if self.source.read_at(place, &mut entry)? < ENTRY {
            return Ok(None);
        }
        let [count, segment_length, segment_count_length] = [16, 20, 24].map(|at| u32_at(&entry, at));
        let width = u64::from(self.header.fingerprint.bits() / 8);
        let (offset, length) = (u64_at(&entry, 0), u64::from(count) * width);
        // What is asked for memory is bounded by the file's own size, whatever is written there.
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
        // What the library goes by when it looks into the fingerprints.
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
