//! The memory that one thread hashes in: taken from the system once, on huge pages where it gives them, used for hash
//! after hash, and wiped. Separate because it holds what was derived from passwords, and the crate's one `unsafe`
//! line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Block;
use memmap2::MmapMut;
use zeroize::Zeroize as _;

use super::HashError;

/// One thread's blocks. What a hash left in them is overwritten by the next hash, if it comes at once, and otherwise wiped
/// ([`Self::wipe`]): that takes 0.5 ms of 19 MiB where a hash takes 15 to 30, which under load would be sign-ins lost.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: Blocks,
    /// How many blocks, from the first on, may hold what a hash has left.
    dirty: usize,
    /// How many blocks are kept; what a costlier hash took beyond is given back.
    usual: usize,
    /// What all threads hold, in bytes.
    held: Arc<AtomicUsize>,
}

impl Memory {
    /// Takes nothing from the system yet. `usual` is how many blocks most hashes need.
    pub fn new(usual: usize, held: Arc<AtomicUsize>) -> Self {
        Self { blocks: Blocks::default(), dirty: 0, usual, held }
    }

    /// Blocks for one hash, which overwrites them all: argon2 reads no block before it has written it. Only what it would
    /// leave of the hash before is wiped here.
    pub fn take(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        if self.blocks.len() < count {
            self.give_back();
            self.blocks =
                Blocks::allocate(count.max(self.usual)).ok_or(HashError::Failed("the machine has no memory left"))?;
            self.held.fetch_add(self.bytes(), Ordering::Relaxed);
        }
        if let Some(left) = self.blocks.as_mut().get_mut(count..self.dirty) {
            left.iter_mut().for_each(Block::zeroize);
        }
        self.dirty = count;
        Ok(&mut self.blocks.as_mut()[..count])
    }

    /// Whether there is anything to wipe.
    pub fn is_dirty(&self) -> bool {
        self.dirty > 0
    }

    /// Whether any is taken from the system.
    pub fn is_held(&self) -> bool {
        self.blocks.len() > 0
    }

    /// Wipes what the latest hash has left.
    pub fn wipe(&mut self) {
        self.blocks.as_mut()[..self.dirty].iter_mut().for_each(Block::zeroize);
        self.dirty = 0;
    }

    /// Gives back what is beyond the usual. A hash that is as costly as a stored one may be takes 256 MiB.
    pub fn trim(&mut self) {
        if self.blocks.len() > self.usual {
            self.give_back();
        }
    }

    /// How many blocks hold anything.
    #[cfg(test)]
    pub fn used(&mut self) -> usize {
        self.blocks.as_mut().iter().filter(|block| block.as_ref().iter().any(|word| *word != 0)).count()
    }

    /// Wipes it and gives all of it back to the system, until it is needed again.
    pub fn give_back(&mut self) {
        self.wipe();
        self.held.fetch_sub(self.bytes(), Ordering::Relaxed);
        self.blocks = Blocks::default();
    }

    fn bytes(&self) -> usize {
        self.blocks.len() * Block::SIZE
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.give_back();
    }
}

const _: () = assert!(size_of::<Block>() == Block::SIZE, "a block is its bytes and nothing else");

/// Blocks straight from the system, which has them again as soon as they are dropped: an allocator would keep them.
#[derive(Debug, Default)]
struct Blocks(Option<MmapMut>);

impl Blocks {
    /// Blocks of zeros, on huge pages where the system gives them to who asks: a hash reads blocks all over its memory, and
    /// with small pages it waits for their translation. `None` when the system has no memory for them.
    fn allocate(count: usize) -> Option<Self> {
        let map = MmapMut::map_anon(count.checked_mul(Block::SIZE)?).ok()?;
        // Where there are none it is slower and as right.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Some(Self(Some(map)))
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len() / Block::SIZE)
    }
}

impl AsMut<[Block]> for Blocks {
    fn as_mut(&mut self) -> &mut [Block] {
        let bytes: &mut [u8] = self.0.as_deref_mut().unwrap_or_default();
        #[expect(
            unsafe_code,
            reason = "no safe crate turns bytes into `Block`, which is not ours to mark as plain data"
        )]
        // SAFETY: a `Block` is 128 words of 64 bits and nothing else: every 1,024 bytes are one, and every one is bytes. The
        // slice is of memory that this process alone has mapped, initialised by the system, and mutably borrowed.
        let (_, blocks, _) = unsafe { bytes.align_to_mut::<Block>() };
        blocks
    }
}
