//! The memory in which one thread hashes: allocated once, kept from hash to hash, wiped, and given back. Separate
//! because each of these has a rule of its own; the memory itself is [`argon2_kernel::Memory`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::HashError;

/// After so many hashes that needed less, the memory beyond the usual is given back, up to 256 MiB. One hash is
/// not enough: where many accounts have costlier hashes than new ones, allocating memory for each would take a third of
/// a sign-in.
const FORGOTTEN_AFTER: u32 = 16;

/// More blocks than these, 256 MiB, are given back at once. Only one thread at a time has more.
const KEPT_AT_MOST: usize = 256 * 1_024;

/// The blocks of one thread. The next hash overwrites what a hash left in them, when it follows at once. Otherwise
/// [`Self::wipe`] wipes them: that takes 0.5 ms for 19 MiB, and a hash takes 4 to 30 ms, so wiping after every hash
/// would cost sign-ins under load.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: argon2_kernel::Memory,
    /// The number of blocks, from the first on, that may hold data of a hash.
    dirty: usize,
    /// The number of blocks that most hashes need.
    usual: usize,
    /// The largest number of blocks that the latest hashes needed, and the number of these hashes.
    needed: usize,
    hashes: u32,
    /// The memory that all threads hold, in bytes.
    held: Arc<AtomicUsize>,
}

impl Memory {
    /// Creates an empty memory; the first hash allocates it. `usual` is the number of blocks that most hashes need.
    pub(super) fn new(usual: usize, held: Arc<AtomicUsize>) -> Self {
        Self { blocks: argon2_kernel::Memory::default(), dirty: 0, usual, needed: 0, hashes: 0, held }
    }

    /// Returns at least `count` blocks for one hash, which overwrites exactly `count`: argon2 reads no block before it
    /// has written it. Blocks beyond those are wiped here if an earlier hash used them.
    pub(super) fn take(&mut self, count: usize) -> Result<&mut argon2_kernel::Memory, HashError> {
        if self.blocks.len() < count {
            self.give_back();
            self.blocks = argon2_kernel::Memory::allocate(count.max(self.usual))?;
            self.held.fetch_add(self.blocks.bytes(), Ordering::Relaxed);
        }
        self.needed = self.needed.max(count);
        self.blocks.wipe_range(count, self.dirty);
        self.dirty = count;
        Ok(&mut self.blocks)
    }

    /// Whether any block may hold data of a hash.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty > 0
    }

    /// Whether memory is allocated.
    pub(super) fn is_held(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Wipes the data of the latest hash.
    pub(super) fn wipe(&mut self) {
        self.blocks.wipe(self.dirty);
        self.dirty = 0;
    }

    /// Notes the end of a hash, and gives back memory beyond the usual that the latest hashes did not need.
    pub(super) fn trim(&mut self) {
        self.hashes += 1;
        if self.blocks.len() > KEPT_AT_MOST.max(self.usual) {
            self.give_back();
        }
        if self.hashes == FORGOTTEN_AFTER {
            if self.blocks.len() > self.needed.max(self.usual) {
                self.give_back();
            }
            (self.needed, self.hashes) = (0, 0);
        }
    }

    /// Returns the number of blocks that hold data.
    #[cfg(test)]
    pub(super) fn used(&mut self) -> usize {
        self.blocks.used()
    }

    /// Wipes all memory and gives it back to the system, until it is needed again.
    pub(super) fn give_back(&mut self) {
        self.dirty = 0;
        self.held.fetch_sub(self.blocks.bytes(), Ordering::Relaxed);
        self.blocks = argon2_kernel::Memory::default();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.give_back();
    }
}
