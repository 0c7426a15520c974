//! The form of a filter's file. Apart from `build`, which writes it, and `filter`, which looks into it.
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
use xorf::Descriptor;

use super::line::Sha1;

pub(super) const MAGIC: &[u8; 8] = b"CSBREACH";

/// Of the form above.
pub(super) const VERSION: u32 = 1;

/// Bytes before the table.
pub(super) const HEADER: usize = 100;

/// Bytes of an entry of the table, and of it without the check.
pub(super) const ENTRY: usize = 36;
pub(super) const UNCHECKED: usize = ENTRY - 8;

/// More parts than any list needs: 64 million passwords each, at the size that parts have.
pub(super) const MOST_SHARD_BITS: u32 = 20;

/// How much is kept of each password, and so how many others are taken for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fingerprint {
    /// One in 256 of all other passwords; about 1.3 bytes a password.
    Bits8,
    /// One in 65,536; about 2.6 bytes a password.
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

    pub fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
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
