//! The memory that one thread hashes in: taken from the system once, kept from hash to hash, wiped, and given back. Separate
//! because when each of these happens is a rule of its own; the memory itself is [`argon2_kernel::Memory`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::HashError;

/// After so many hashes that all needed less, what one had taken beyond that is given back. A few, for that may be 256 MiB; not
/// one, for where many accounts have costlier hashes than are made today, taking their memory anew each time is a third of
/// a sign-in.
const FORGOTTEN_AFTER: u32 = 16;

/// One thread's blocks. What a hash left in them is overwritten by the next hash, if it comes at once, and otherwise wiped
/// ([`Self::wipe`]): that takes 0.5 ms of 19 MiB where a hash takes 4 to 30, which under load would be sign-ins lost.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: argon2_kernel::Memory,
    /// How many blocks, from the first on, may hold what a hash has left.
    dirty: usize,
    /// How many blocks most hashes need.
    usual: usize,
    /// How many blocks the latest hashes have needed at most, and how many hashes those are.
    needed: usize,
    hashes: u32,
    /// What all threads hold, in bytes.
    held: Arc<AtomicUsize>,
}

impl Memory {
    /// Takes nothing from the system yet. `usual` is how many blocks most hashes need.
    pub fn new(usual: usize, held: Arc<AtomicUsize>) -> Self {
        Self { blocks: argon2_kernel::Memory::default(), dirty: 0, usual, needed: 0, hashes: 0, held }
    }

    /// At least `count` blocks for one hash, which overwrites so many: argon2 reads no block before it has written it. Only
    /// what it would leave of the hash before is wiped here.
    pub fn take(&mut self, count: usize) -> Result<&mut argon2_kernel::Memory, HashError> {
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

    /// Whether there is anything to wipe.
    pub fn is_dirty(&self) -> bool {
        self.dirty > 0
    }

    /// Whether any is taken from the system.
    pub fn is_held(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Wipes what the latest hash has left.
    pub fn wipe(&mut self) {
        self.blocks.wipe(self.dirty);
        self.dirty = 0;
    }

    /// Takes note that a hash has ended. Gives back what is more than the usual and than the latest hashes needed.
    pub fn trim(&mut self) {
        self.hashes += 1;
        if self.hashes == FORGOTTEN_AFTER {
            if self.blocks.len() > self.needed.max(self.usual) {
                self.give_back();
            }
            (self.needed, self.hashes) = (0, 0);
        }
    }

    /// How many blocks hold anything.
    #[cfg(test)]
    pub fn used(&mut self) -> usize {
        self.blocks.used()
    }

    /// Gives all of it back to the system, wiped, until it is needed again.
    pub fn give_back(&mut self) {
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
