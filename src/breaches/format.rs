//! The file format of a filter. Separate from `build`, which writes it, and `filter`, which reads it.
//!
//! The file holds many small binary fuse filters, its shards. A shard holds the SHA-1s that begin with the same bits,
//! so neither building nor looking up needs memory for more than one shard, and each shard is checked when it is read.
//! All numbers are little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `CSBREACH` |
//! | 4, 4, 4 | version; bits of a fingerprint; number of leading bits of a SHA-1 that choose the shard |
//! | 8, 8 | number of passwords; length of this file |
//! | 32, 32 | SHA-256 of the table; SHA-256 of the header up to here |
//! | 36 each | the table, with an entry for each shard |
//! | | the shards: fingerprints of 1 or 2 bytes |
//!
//! An entry of the table has the offset of its shard (8 bytes), the seed (8), the number of fingerprints (4), the
//! length of a segment (4), the length of all segments but two (4) and a checksum (8): the first 8 bytes of the SHA-256
//! of the entry up to it and of the shard.

use aws_lc_rs::digest::{Context, SHA256};
use xorf::Descriptor;

use super::line::Sha1;

pub(super) const MAGIC: &[u8; 8] = b"CSBREACH";

/// The version of the format above.
pub(super) const VERSION: u32 = 1;

/// The length of the header, in bytes.
pub(super) const HEADER: usize = 100;

/// The length of a table entry, with and without its checksum, in bytes.
pub(super) const ENTRY: usize = 36;
pub(super) const UNCHECKED: usize = ENTRY - 8;

/// The largest number of shard bits. No list needs more: that would be a million shards of 64 million passwords each.
pub(super) const MOST_SHARD_BITS: u32 = 20;

/// The size of a fingerprint, which decides how many other passwords are taken for breached ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fingerprint {
    /// One in 256 other passwords is taken for a breached one; about 1.3 bytes a password.
    Bits8,
    /// One in 65,536 other passwords is taken for a breached one; about 2.6 bytes a password.
    Bits16,
}

impl Fingerprint {
    /// Returns the size in bits, as the header of the file stores it.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits8 => 8,
            Self::Bits16 => 16,
        }
    }
}

/// The header of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilterHeader {
    pub fingerprint: Fingerprint,
    pub shard_bits: u32,
    pub keys: u64,
    pub length: u64,
}

impl FilterHeader {
    pub(super) fn to_bytes(self, table: &[u8]) -> Vec<u8> {
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

    pub(super) fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        if sha256(&[&bytes[..HEADER - 32]]) != bytes[HEADER - 32..] {
            return None;
        }
        let fingerprint =
            [Fingerprint::Bits8, Fingerprint::Bits16].into_iter().find(|it| it.bits() == u32_at(bytes, 12))?;
        let shard_bits = Some(u32_at(bytes, 16)).filter(|bits| *bits <= MOST_SHARD_BITS)?;
        Some(Self { fingerprint, shard_bits, keys: u64_at(bytes, 20), length: u64_at(bytes, 28) })
    }
}

/// Returns the table entry of a shard.
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

/// Returns the key of a SHA-1: its first 64 bits. In a list of a billion, the chance that any two passwords share a key
/// is one in forty; then one more password counts as breached.
pub(super) fn key(sha1: &Sha1) -> u64 {
    sha1[..8].iter().fold(0, |key, &byte| key << 8 | u64::from(byte))
}

/// Returns the number of the shard that holds a key.
pub(super) fn shard(key: u64, shard_bits: u32) -> u64 {
    key.checked_shr(64 - shard_bits).unwrap_or(0)
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
