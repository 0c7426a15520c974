//! Every kernel against the `argon2` crate, on inputs that libFuzzer looks for: it sees which branches an input takes,
//! as the tests of `src/tests/differential.rs` do not. Separate because it is a program of its own, which takes
//! unstable flags of the compiler to build. `bash .ci/run fuzz` runs it under AddressSanitizer.

#![no_main]

use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Version};
use argon2_kernel::{Error, Kernel, Memory, OUTPUT_BYTES, Params};
use libfuzzer_sys::arbitrary::{Arbitrary, Result as Drawn, Unstructured};
use libfuzzer_sys::fuzz_target;

type Output = [u8; OUTPUT_BYTES];

/// KiB and passes, as somebody might ask for: too little, too.
#[derive(Debug, Clone, Copy)]
struct Cost {
    memory: u32,
    passes: u32,
}

impl<'a> Arbitrary<'a> for Cost {
    fn arbitrary(u: &mut Unstructured<'a>) -> Drawn<Self> {
        // Most are small, where the corners are.
        let memory = often(u, 0..=63, 64..=600)?;
        Ok(Self { memory, passes: u.int_in_range(0..=3)? })
    }
}

/// Two hashes, the second in the memory that the first left.
#[derive(Debug)]
struct Input<'a> {
    costs: [Cost; 2],
    /// How many there are; most often as many as the hashes need, or a few more.
    blocks: usize,
    password: &'a [u8],
    salt: &'a [u8],
}

impl<'a> Arbitrary<'a> for Input<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Drawn<Self> {
        let costs: [Cost; 2] = u.arbitrary()?;
        let needed = costs.map(|cost| cost.memory / 4 * 4).into_iter().max().unwrap_or_default();
        let blocks = often(u, needed..=needed + 5, 0..=needed)?;
        Ok(Self { costs, blocks: blocks as usize, password: u.arbitrary()?, salt: u.bytes(u.len())? })
    }
}

/// From the first range seven times of eight, else from the second.
fn often(u: &mut Unstructured<'_>, most: RangeInclusive<u32>, some: RangeInclusive<u32>) -> Drawn<u32> {
    let range = if u.ratio(7, 8)? { most } else { some };
    u.int_in_range(range)
}

/// What must come out: the output is the crate's, and so is whether there is one, but for the memory, which it
/// allocates.
fn expected(password: &[u8], salt: &[u8], cost: Cost, blocks: usize) -> Result<Output, Error> {
    let mut output = [0; OUTPUT_BYTES];
    let made = argon2::Params::new(cost.memory, cost.passes, 1, Some(OUTPUT_BYTES)).and_then(|params| {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(password, salt, &mut output)
    });
    let refused = match () {
        () if cost.memory < 8 => Some(Error::MemoryCost),
        () if cost.passes == 0 => Some(Error::Passes),
        () if salt.len() < 8 => Some(Error::SaltTooShort),
        () => None,
    };
    assert_eq!(made.is_err(), refused.is_some(), "{made:?} from the crate");
    match refused {
        Some(error) => Err(error),
        None if blocks < (cost.memory / 4 * 4) as usize => Err(Error::MemoryTooSmall),
        None => Ok(output),
    }
}

fn hash(kernel: Kernel, password: &[u8], salt: &[u8], cost: Cost, memory: &mut Memory) -> Result<Output, Error> {
    kernel.fill(password, salt, Params::new(cost.memory, cost.passes)?, memory)
}

fuzz_target!(|input: Input<'_>| {
    let Input { costs, blocks, password, salt } = input;
    // The second time each is in the place of the other.
    let hashes = [(password, salt, costs[0]), (salt, password, costs[1])]
        .map(|(password, salt, cost)| (password, salt, cost, expected(password, salt, cost, blocks)));
    for kernel in Kernel::available() {
        let mut memory = Memory::allocate(blocks).expect("less than a MiB");
        let mut taken = 0;
        for (password, salt, cost, expected) in hashes {
            let made = hash(kernel, password, salt, cost, &mut memory);
            assert_eq!(made, expected, "{kernel} {cost:?}");
            if made.is_ok() {
                taken = taken.max((cost.memory / 4 * 4) as usize);
            }
            // No block of a hash is all zeros. What was refused wrote nothing, and what was not, nothing elsewhere.
            assert_eq!(memory.used(), taken, "{kernel} {cost:?}");
        }
        memory.wipe(taken);
        assert_eq!(memory.used(), 0, "{kernel}: of {blocks} blocks after {taken} were wiped");
    }
});
