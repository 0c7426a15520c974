//! The memory that hashes are made in: taken from the system once, on huge pages where it gives them, used for hash after
//! hash, and wiped. Separate because it holds what was derived from passwords, and two shapes of block look at it.

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use zeroize::Zeroize as _;

use crate::Error;

/// 1 KiB: argon2's unit of memory, 128 words. Aligned as the widest vectors want it.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [u64; Block::WORDS]);

impl Block {
    pub const WORDS: usize = 128;
    pub const SIZE: usize = size_of::<Self>();
    pub const ZERO: Self = Self([0; Self::WORDS]);
}

/// Blocks straight from the system, which has them again as soon as they are dropped: an allocator would keep them. None
/// by default.
#[derive(Debug, Default)]
pub struct Memory(Option<MmapMut>);

impl Memory {
    /// Blocks of zeros, on huge pages where the system gives them to who asks: a hash reads blocks all over its memory, and
    /// with small pages it waits for their translation.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn allocate(blocks: usize) -> Result<Self, Error> {
        if blocks == 0 {
            return Ok(Self::default());
        }
        let bytes = blocks.checked_mul(Block::SIZE).ok_or(Error::OutOfMemory)?;
        let map = MmapMut::map_anon(bytes).map_err(|_| Error::OutOfMemory)?;
        // Where there are none it is slower and as right.
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(Some(map)))
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.bytes() / Block::SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The same in bytes.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Overwrites the first `blocks` blocks with zeros, all of them if there are no more.
    pub fn wipe(&mut self, blocks: usize) {
        self.wipe_range(0, blocks);
    }

    /// Overwrites the blocks from `first` up to `end`, as far as there are any.
    pub fn wipe_range(&mut self, first: usize, end: usize) {
        let blocks = self.blocks();
        let end = end.min(blocks.len());
        if let Some(blocks) = blocks.get_mut(first..end) {
            blocks.iter_mut().for_each(|block| block.0.zeroize());
        }
    }

    /// How many blocks hold anything but zeros.
    pub fn used(&mut self) -> usize {
        self.blocks().iter().filter(|block| block.0 != Block::ZERO.0).count()
    }

    /// As the blocks of the `argon2` crate, for what only that can hash.
    pub fn as_argon2(&mut self) -> &mut [argon2::Block] {
        let bytes: &mut [u8] = self.0.as_deref_mut().unwrap_or_default();
        #[expect(
            unsafe_code,
            reason = "no safe crate turns bytes into `argon2::Block`, which is not ours to mark as plain data"
        )]
        // SAFETY: an `argon2::Block` is 128 words of 64 bits and nothing else (asserted below): every 1,024 bytes are one,
        // and every one is bytes. The slice is of memory that this process alone has mapped, initialised by the system, and
        // mutably borrowed for as long as the blocks are; `align_to_mut` sees to the alignment.
        let (_, blocks, _) = unsafe { bytes.align_to_mut::<argon2::Block>() };
        blocks
    }

    /// The first so many blocks.
    pub(crate) fn first(&mut self, blocks: usize) -> Result<&mut [Block], Error> {
        self.blocks().get_mut(..blocks).ok_or(Error::MemoryTooSmall)
    }

    fn blocks(&mut self) -> &mut [Block] {
        let bytes: &mut [u8] = self.0.as_deref_mut().unwrap_or_default();
        // Mapped memory begins at a page, and is as long as so many blocks.
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
