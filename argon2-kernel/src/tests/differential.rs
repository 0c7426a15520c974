//! Every kernel against the `argon2` crate, on random inputs.

use argon2::{Algorithm, Argon2, Version};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::compress::{Avx2, Avx512, Compress};
use crate::memory::Block;
use crate::tests::rfc9106::Scalar;
use crate::{Kernel, Memory, Params};

/// The number of cases with two hashes by each kernel.
const CASES: u32 = match option_env!("FEW_CASES") {
    None => 15_000,
    Some(_) => 3_000,
};

/// The number of cases with two compressions by each kernel.
const BLOCKS: u32 = if cfg!(miri) { 1 } else { 1_000 };

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Most are small, where the corner cases are; some have several blocks of addresses in a segment.
fn params() -> impl Strategy<Value = Params> {
    let memory = prop_oneof![8 => 8_u32..64, 3 => 64_u32..520, 1 => 520_u32..2_200];
    (memory, 1_u32..5).prop_map(|(memory, passes)| Params::new(memory, passes).unwrap())
}

fn words() -> impl Strategy<Value = Vec<u64>> {
    // Words with few bits and with all bits reach the ends of carries and products.
    vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(u64::from(u32::MAX))], Block::WORDS)
}

fn by_the_crate(password: &[u8], salt: &[u8], params: Params) -> [u8; 32] {
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.try_into().unwrap())
        .hash_password_into(password, salt, &mut output)
        .unwrap();
    output
}

fn assert_as_scalar(kernel: impl Compress, previous: &Block, reference: &Block, to: &Block) {
    for onto in [false, true] {
        let (mut by_kernel, mut by_scalar) = (to.clone(), to.clone());
        kernel.compress(previous, reference, &mut by_kernel, onto);
        Scalar.compress(previous, reference, &mut by_scalar, onto);
        assert_eq!(by_kernel.0, by_scalar.0, "onto: {onto}");
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    #[cfg_attr(miri, ignore = "the hashes of `reference` take Miri long enough")]
    fn every_kernel_hashes_as_the_crate_does_whatever_the_memory_held_before(
        password in vec(any::<u8>(), 0..200),
        salt in vec(any::<u8>(), 8..80),
        params in params(),
        again in params(),
    ) {
        let mut memory = Memory::allocate(params.blocks().max(again.blocks())).unwrap();
        let (first, second) = (by_the_crate(&password, &salt, params), by_the_crate(&salt, &salt, again));
        for kernel in Kernel::available() {
            prop_assert_eq!(kernel.fill(&password, &salt, params, &mut memory), Ok(first), "{} {:?}", kernel, params);
            prop_assert_eq!(kernel.fill(&salt, &salt, again, &mut memory), Ok(second), "{} {:?}", kernel, again);
        }
    }
}

proptest! {
    #![proptest_config(config(BLOCKS))]

    #[test]
    fn every_compression_does_what_the_rfc_says(previous in words(), reference in words(), to in words()) {
        let [previous, reference, to] = [previous, reference, to].map(|words| Block(words.try_into().unwrap()));
        Avx2::detect().into_iter().for_each(|kernel| assert_as_scalar(kernel, &previous, &reference, &to));
        Avx512::detect().into_iter().for_each(|kernel| assert_as_scalar(kernel, &previous, &reference, &to));
    }
}
