//! A filter of breached passwords: the form of its file, and looking one up. Apart from `build`, which makes it once, on a
//! machine of the operator's.
//!
//! It is many small binary fuse filters, each of the SHA-1s that begin with the same bits, so that neither building nor
//! looking up needs memory for more than one of them, and each can be checked as it is read. All numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `CSBREACH` |
//! | 4, 4, 4 | version; bits of a fingerprint; how many leading bits of a SHA-1 choose the part |
//! | 8, 8 | passwords; length of this file |
//! | 32, 32 | SHA-256 of the table, of what stands before this |
//! | 36 each | the table, of each part: where it begins (8), seed (8), fingerprints (4), length of a segment (4), of all segments but two (4), check (8) |
//! | | the parts: fingerprints of 1 or 2 bytes |
//!
//! A check is the first 8 bytes of SHA-256 of the table's entry up to it, and of the part.

use aws_lc_rs::digest::{Context, SHA256};
use xorf::{BinaryFuse8, BinaryFuse16, Descriptor, Filter as _};

use super::line::Sha1;
use super::{BreachesError, Source};

const MAGIC: &[u8; 8] = b"CSBREACH";

/// Of the form above.
pub(super) const VERSION: u32 = 1;

/// Bytes before the table.
pub(super) const HEADER: usize = 100;

/// Bytes of an entry of the table, and of it without the check.
pub(super) const ENTRY: usize = 36;
const UNCHECKED: usize = ENTRY - 8;

/// More parts than any list needs: 64 million passwords each, at the size that parts have.
pub(super) const MOST_SHARD_BITS: u32 = 20;

/// How much is kept of each password, and so how many others are taken for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fingerprint {
    /// One in 256 of all other passwords; about 1.2 bytes a password.
    Bits8,
    /// One in 65,536; about 2.4 bytes a password.
    Bits16,
}

impl Fingerprint {
    /// 8 or 16.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits8 => 8,
            Self::Bits16 => 16,
        }
    }
}

/// What stands before the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub fingerprint: Fingerprint,
    pub shard_bits: u32,
    pub keys: u64,
    pub length: u64,
}

impl Header {
    pub fn to_bytes(self, table: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [VERSION, self.fingerprint.bits(), self.shard_bits] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(sha256(&[table]));
        let own = sha256(&[&bytes]);
        bytes.extend(own);
        bytes
    }

    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        if sha256(&[&bytes[..HEADER - 32]]) != bytes[HEADER - 32..] {
            return None;
        }
        let fingerprint =
            [Fingerprint::Bits8, Fingerprint::Bits16].into_iter().find(|it| it.bits() == u32_at(bytes, 12))?;
        let shard_bits = Some(u32_at(bytes, 16)).filter(|bits| *bits <= MOST_SHARD_BITS)?;
        Some(Self { fingerprint, shard_bits, keys: u64_at(bytes, 20), length: u64_at(bytes, 28) })
    }
}

/// What the table says of a part.
pub(super) fn entry(offset: u64, descriptor: &Descriptor, fingerprints: &[u8], count: u32) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&offset.to_le_bytes());
    bytes[8..16].copy_from_slice(&descriptor.seed.to_le_bytes());
    for (at, number) in [(16, count), (20, descriptor.segment_length), (24, descriptor.segment_count_length)] {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    let check = sha256(&[&bytes[..UNCHECKED], fingerprints]);
    bytes[UNCHECKED..].copy_from_slice(&check[..8]);
    bytes
}

/// What is looked for: the beginning of a SHA-1. That two of a billion begin with the same 64 bits is one chance in forty,
/// and takes one more password for a breached one.
pub(super) fn key(sha1: &Sha1) -> u64 {
    sha1[..8].iter().fold(0, |key, &byte| key << 8 | u64::from(byte))
}

/// Which part a key is in.
pub(super) fn shard(key: u64, shard_bits: u32) -> u64 {
    key.checked_shr(64 - shard_bits).unwrap_or(0)
}

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

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
