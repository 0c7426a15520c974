//! The memory that hashes are computed in: taken from the system once, on huge pages where available, used for hash
//! after hash, and wiped. Separate because it holds data derived from passwords, and two types of block describe it.

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use zeroize::Zeroize as _;

use crate::Error;

/// A block of 1 KiB, argon2's unit of memory: 128 words, aligned for the widest vectors.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [u64; Block::WORDS]);

impl Block {
    pub const WORDS: usize = 128;
    pub const SIZE: usize = size_of::<Self>();
    pub const ZERO: Self = Self([0; Self::WORDS]);
}

/// Blocks that are mapped from the system and returned when dropped; an allocator would keep them. The default is
/// empty.
#[derive(Debug, Default)]
pub struct Memory(Option<MmapMut>);

impl Memory {
    /// Allocates blocks of zeros, on huge pages where the system provides them on request: a hash reads blocks all over
    /// its memory, and with small pages it waits for address translation.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], when the system has no more memory.
    pub fn allocate(blocks: usize) -> Result<Self, Error> {
        if blocks == 0 {
            return Ok(Self::default());
        }
        let bytes = blocks.checked_mul(Block::SIZE).ok_or(Error::OutOfMemory)?;
        let map = MmapMut::map_anon(bytes).map_err(|_| Error::OutOfMemory)?;
        // Without huge pages, hashing is slower and still correct.
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(Some(map)))
    }

    /// Returns the number of blocks.
    pub fn len(&self) -> usize {
        self.bytes() / Block::SIZE
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the size in bytes.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Overwrites the first `blocks` blocks with zeros, or all blocks if there are fewer.
    pub fn wipe(&mut self, blocks: usize) {
        self.wipe_range(0, blocks);
    }

    /// Overwrites the blocks from `first` up to `end` with zeros, as far as they exist.
    pub fn wipe_range(&mut self, first: usize, end: usize) {
        let blocks = self.blocks();
        let end = end.min(blocks.len());
        if let Some(blocks) = blocks.get_mut(first..end) {
            blocks.iter_mut().for_each(|block| block.0.zeroize());
        }
    }

    /// Returns the number of blocks that hold anything but zeros.
    pub fn used(&mut self) -> usize {
        self.blocks().iter().filter(|block| block.0 != Block::ZERO.0).count()
    }

    /// Returns the memory as blocks of the `argon2` crate, for hashes that only the crate supports.
    pub fn as_argon2(&mut self) -> &mut [argon2::Block] {
        let bytes: &mut [u8] = self.0.as_deref_mut().unwrap_or_default();
        #[expect(
            unsafe_code,
            reason = "no safe crate turns bytes into `argon2::Block`, which is not ours to mark as plain data"
        )]
        // SAFETY: an `argon2::Block` is 128 words of 64 bits and nothing else (asserted below), and any bytes are a
        // valid block. The slice is of memory that this process alone has mapped, that the system has initialised, and
        // that is mutably borrowed for as long as the blocks are. `align_to_mut` checks the alignment.
        let (_, blocks, _) = unsafe { bytes.align_to_mut::<argon2::Block>() };
        blocks
    }

    /// Returns the first `blocks` blocks.
    pub(crate) fn first(&mut self, blocks: usize) -> Result<&mut [Block], Error> {
        self.blocks().get_mut(..blocks).ok_or(Error::MemoryTooSmall)
    }

    fn blocks(&mut self) -> &mut [Block] {
        let bytes: &mut [u8] = self.0.as_deref_mut().unwrap_or_default();
        // Mapped memory begins at a page and has the length of the blocks.
        <[Block]>::mut_from_bytes(bytes).unwrap_or_default()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wipe(usize::MAX);
    }
}

const _: () = assert!(size_of::<argon2::Block>() == argon2::Block::SIZE, "a block is its bytes and nothing else");
const _: () = assert!(Block::SIZE == argon2::Block::SIZE && align_of::<Block>() >= align_of::<argon2::Block>());
