//! argon2id around its compression: how the first blocks are computed, which two blocks each further block is
//! compressed from, and how the output is computed (RFC 9106 section 3.2, with one lane). It is the same for every
//! kernel, and free of `unsafe`.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest};
use zeroize::{Zeroize as _, Zeroizing};

use crate::compress::Compress;
use crate::memory::Block;
use crate::{OUTPUT_BYTES, Params};

const VERSION: u32 = 0x13;
const ARGON2ID: u32 = 2;
const LANES: u32 = 1;
/// A pass has four slices, which decide the blocks that may be referred to.
const SLICES: usize = 4;

/// Hashes in exactly [`Params::blocks`] blocks. Their content before does not matter.
pub(crate) fn hash(
    kernel: impl Compress,
    password: &[u8],
    salt: &[u8],
    params: Params,
    blocks: &mut [Block],
) -> [u8; OUTPUT_BYTES] {
    let digest = initial_digest(password, salt, params);
    for (index, block) in (0..2_u32).zip(blocks.iter_mut()) {
        // The second number is that of the lane.
        expand(&[&*digest, &index.to_le_bytes(), &0_u32.to_le_bytes()], block);
    }
    for pass in 0..params.passes() {
        for slice in 0..SLICES {
            Segment { pass, slice, length: blocks.len() / SLICES }.fill(kernel, params, blocks);
        }
    }
    let mut last = Blake2b::<U32>::new_with_prefix((OUTPUT_BYTES as u32).to_le_bytes());
    for word in blocks.last().map_or([].as_slice(), |block| &block.0) {
        last.update(word.to_le_bytes());
    }
    last.finalize().into()
}

/// Returns H0 of RFC 9106 section 3.2. [`crate::Kernel::fill`] has checked that the lengths fit.
fn initial_digest(password: &[u8], salt: &[u8], params: Params) -> Zeroizing<[u8; 64]> {
    let mut digest = Blake2b512::new();
    for number in [LANES, OUTPUT_BYTES as u32, params.memory(), params.passes(), VERSION, ARGON2ID] {
        digest.update(number.to_le_bytes());
    }
    // There is neither a key nor associated data.
    for field in [password, salt, &[], &[]] {
        digest.update((field.len() as u32).to_le_bytes());
        digest.update(field);
    }
    finish(digest)
}

/// Computes H' of RFC 9106 section 3.3 with an output as long as a block. The first half of each digest is output, the
/// whole digest is hashed to the next one, and the last digest is output whole.
fn expand(inputs: &[&[u8]], block: &mut Block) {
    let mut digest = Blake2b512::new_with_prefix((Block::SIZE as u32).to_le_bytes());
    inputs.iter().for_each(|input| digest.update(input));
    let mut digest = finish(digest);
    let (halves, _) = block.0.as_chunks_mut::<4>();
    let count = halves.len();
    for (index, half) in halves.iter_mut().enumerate() {
        let part = if index + 1 == count { &digest[32..] } else { &digest[..32] };
        for (word, bytes) in half.iter_mut().zip(part.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        if index + 2 < count {
            digest = finish(Blake2b512::new_with_prefix(digest.as_slice()));
        }
    }
}

fn finish(digest: Blake2b512) -> Zeroizing<[u8; 64]> {
    let mut output = digest.finalize();
    let kept = Zeroizing::new(output.into());
    output.zeroize();
    kept
}

/// A slice of a pass, of `length` blocks.
#[derive(Clone, Copy)]
struct Segment {
    pass: u32,
    slice: usize,
    length: usize,
}

impl Segment {
    fn fill(self, kernel: impl Compress, params: Params, blocks: &mut [Block]) {
        let mut addresses = (self.pass == 0 && self.slice < SLICES / 2).then(|| Addresses::new(self, params));
        // The first two blocks of the first pass exist already.
        let first = if self.pass == 0 && self.slice == 0 { 2 } else { 0 };
        for index in first..self.length {
            let current = self.slice * self.length + index;
            let previous = current.checked_sub(1).unwrap_or(blocks.len() - 1);
            let random = match &mut addresses {
                Some(addresses) => addresses.get(kernel, index),
                None => blocks[previous].0[0],
            };
            let reference = self.reference(index, random);
            #[expect(
                clippy::expect_used,
                reason = "whatever the random number, a block refers neither to itself nor to the one before it"
            )]
            let [to, previous, reference] =
                blocks.get_disjoint_mut([current, previous, reference]).expect("three blocks");
            kernel.compress(previous, reference, to, self.pass > 0);
        }
    }

    /// Returns the block that the block at `index` of this segment refers to (RFC 9106 section 3.4.2). The lower half
    /// of `random` is J1; the upper half, J2, chooses between lanes.
    fn reference(self, index: usize, random: u64) -> usize {
        // All finished blocks but the one before: in the first pass, those computed so far; after it, the three latest
        // segments and the finished part of this one.
        let (start, area) = match self.pass {
            0 => (0, self.slice * self.length + index - 1),
            _ => ((self.slice + 1) % SLICES * self.length, (SLICES - 1) * self.length + index - 1),
        };
        let j1 = random & u64::from(u32::MAX);
        let x = (j1 * j1) >> 32;
        let back = (area as u64 * x) >> 32;
        let at = start + area - 1 - back as usize;
        let lane = SLICES * self.length;
        // This wraps around the end without a branch, because `random` may be a secret: the sign bit, spread over all
        // bits, selects.
        let past = at.wrapping_sub(lane).cast_signed();
        past.cast_unsigned().wrapping_add(lane & (past >> (isize::BITS - 1)).cast_unsigned())
    }
}

/// The random numbers of a segment that must not depend on the password (RFC 9106 section 3.4.1.1), 128 at a time.
struct Addresses {
    input: Block,
    block: Block,
}

impl Addresses {
    fn new(segment: Segment, params: Params) -> Self {
        let mut input = Block::ZERO;
        let of = [segment.pass, 0, segment.slice as u32, params.blocks() as u32, params.passes(), ARGON2ID];
        for (word, number) in input.0.iter_mut().zip(of) {
            *word = number.into();
        }
        Self { input, block: Block::ZERO }
    }

    /// Returns the number of the block at `index`; calls come in the order of `index`. The seventh word counts the
    /// blocks of numbers.
    fn get(&mut self, kernel: impl Compress, index: usize) -> u64 {
        let count = (index / Block::WORDS + 1) as u64;
        if self.input.0[6] != count {
            self.input.0[6] = count;
            let mut once = Block::ZERO;
            kernel.compress(&Block::ZERO, &self.input, &mut once, false);
            kernel.compress(&Block::ZERO, &once, &mut self.block, false);
        }
        self.block.0[index % Block::WORDS]
    }
}
