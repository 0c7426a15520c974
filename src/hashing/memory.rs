//! The memory that one thread hashes in: taken from the system once, on huge pages where it gives them, used for hash
//! after hash, and wiped. Separate because it holds what was derived from passwords, and the crate's one `unsafe` line.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Block;
use zeroize::Zeroize as _;

use super::HashError;

/// One thread's blocks. What a hash left in them is overwritten by the next hash, if it comes at once, and otherwise wiped
/// ([`Self::wipe`]): that takes 0.5 ms of 19 MiB where a hash takes 15 to 30, which under load would be sign-ins lost.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: Vec<Block>,
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
        Self { blocks: Vec::new(), dirty: 0, usual, held }
    }

    /// Blocks for one hash, which overwrites them all: argon2 reads no block before it has written it. Only what it would
    /// leave of the hash before is wiped here.
    pub fn take(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        if self.blocks.len() < count {
            self.give_back();
            self.blocks = allocate(count.max(self.usual)).ok_or(HashError::Failed("the machine has no memory left"))?;
            self.held.fetch_add(self.bytes(), Ordering::Relaxed);
        }
        if let Some(left) = self.blocks.get_mut(count..self.dirty) {
            left.iter_mut().for_each(Block::zeroize);
        }
        self.dirty = count;
        Ok(&mut self.blocks[..count])
    }

    /// Whether there is anything to wipe.
    pub fn is_dirty(&self) -> bool {
        self.dirty > 0
    }

    /// Wipes what the latest hash has left.
    pub fn wipe(&mut self) {
        self.blocks[..self.dirty].iter_mut().for_each(Block::zeroize);
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
    pub fn used(&self) -> usize {
        self.blocks.iter().filter(|block| block.as_ref().iter().any(|word| *word != 0)).count()
    }

    fn give_back(&mut self) {
        self.wipe();
        self.held.fetch_sub(self.bytes(), Ordering::Relaxed);
        self.blocks = Vec::new();
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

/// Blocks of zeros. `None` when the system has no memory for them.
fn allocate(count: usize) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).ok()?;
    // Before they are touched: what has its small pages already would keep them.
    prefer_huge_pages(blocks.spare_capacity_mut());
    blocks.resize(count, Block::new());
    Some(blocks)
}

/// Asks for huge pages where the system gives them to who asks. A hash reads blocks all over its memory, and with small
/// pages it waits for their translation. Where there are none it is slower and as right.
fn prefer_huge_pages(memory: &mut [MaybeUninit<Block>]) {
    /// Of x86-64 and of ARM with the usual small pages; a multiple of every size of those.
    const HUGE_PAGE: usize = 2 * 1_024 * 1_024;
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(HUGE_PAGE);
    let whole = bytes.saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if whole == 0 {
        return;
    }
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "no safe crate asks for huge pages in memory that a `Vec` owns")]
    // SAFETY: the range, `whole` bytes from `before` on, lies within `memory`, which is borrowed mutably; it begins at the
    // start of a page. This advice changes which pages hold it and never what they hold, so no value changes under anyone.
    let _ = unsafe { rustix::mm::madvise(start.wrapping_add(before).cast(), whole, rustix::mm::Advice::LinuxHugepage) };
}
