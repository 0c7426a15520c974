//! RFC 9106 written out as it stands, with lanes, keys, associated data and all three variants, around the compression
//! under test. Its vectors (section 5) have four lanes, which the kernels do not support. The other files test that the
//! kernels agree on one lane.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest};

use super::hex;
use crate::compress::{Avx2, Avx512, Compress};
use crate::memory::Block;

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    D,
    I,
    Id,
}

const LANES: usize = 4;
const MEMORY: usize = 32;
const PASSES: usize = 3;

/// The first and the last word of memory after each pass, and the tag.
type Trace = (Vec<(u64, u64)>, String);

/// Computes H' of section 3.3, as long as a tag or as a block.
fn variable(inputs: &[&[u8]], length: usize) -> Vec<u8> {
    let message = [&[(length as u32).to_le_bytes().as_slice()], inputs].concat().concat();
    if length == 32 {
        return Blake2b::<U32>::digest(message).to_vec();
    }
    let mut v = Blake2b512::digest(message);
    let mut output = v[..32].to_vec();
    while length - output.len() > 64 {
        v = Blake2b512::digest(v);
        output.extend(&v[..32]);
    }
    output.extend(Blake2b512::digest(v));
    output
}

fn words(bytes: &[u8]) -> Block {
    let mut block = Block::ZERO;
    for (word, bytes) in block.0.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().unwrap());
    }
    block
}

fn g(kernel: impl Compress, x: &Block, y: &Block) -> Block {
    let mut z = words(&[0xa5; 1024]);
    kernel.compress(x, y, &mut z, false);
    z
}

fn argon2(kernel: impl Compress, variant: Variant) -> Trace {
    let (password, salt, secret, data) = ([1; 32], [2; 16], [3; 8], [4; 12]);
    let mut digest = Blake2b512::new();
    let y = match variant {
        Variant::D => 0,
        Variant::I => 1,
        Variant::Id => 2_u32,
    };
    for number in [LANES as u32, 32, MEMORY as u32, PASSES as u32, 0x13, y] {
        digest.update(number.to_le_bytes());
    }
    for field in [password.as_slice(), &salt, &secret, &data] {
        digest.update((field.len() as u32).to_le_bytes());
        digest.update(field);
    }
    let h0 = digest.finalize();
    let (lane_length, segment_length) = (MEMORY / LANES, MEMORY / LANES / 4);
    let mut memory = vec![vec![Block::ZERO; lane_length]; LANES];
    for (number, lane) in memory.iter_mut().enumerate() {
        for (index, block) in lane.iter_mut().take(2).enumerate() {
            let inputs = [h0.as_slice(), &(index as u32).to_le_bytes(), &(number as u32).to_le_bytes()];
            *block = words(&variable(&inputs, 1024));
        }
    }
    let mut after = Vec::new();
    for pass in 0..PASSES {
        for (slice, lane) in (0..4).flat_map(|slice| (0..LANES).map(move |lane| (slice, lane))) {
            for index in 0..segment_length {
                let column = slice * segment_length + index;
                if pass == 0 && column < 2 {
                    continue;
                }
                let before = (column + lane_length - 1) % lane_length;
                let independent = variant == Variant::I || (variant == Variant::Id && pass == 0 && slice < 2);
                let random = if independent {
                    let mut input = Block::ZERO;
                    let of = [pass, lane, slice, MEMORY, PASSES, y as usize, index / 128 + 1];
                    input.0[..7].copy_from_slice(&of.map(|number| number as u64));
                    g(kernel, &Block::ZERO, &g(kernel, &Block::ZERO, &input)).0[index % 128]
                } else {
                    memory[lane][before].0[0]
                };
                let (j1, j2) = (random & 0xffff_ffff, random >> 32);
                let other = if pass == 0 && slice == 0 { lane } else { j2 as usize % LANES };
                // W: the finished segments of that lane, and the finished blocks of this segment.
                let (start, finished) = if pass == 0 { (0, slice) } else { ((slice + 1) % 4, 3) };
                let within = if other == lane { index as isize - 1 } else { -isize::from(index == 0) };
                let size = (finished * segment_length) as isize + within;
                let x = (j1 * j1) >> 32;
                let z = size as u64 - 1 - ((size as u64 * x) >> 32);
                let reference = (start * segment_length + z as usize) % lane_length;
                let mut block = g(kernel, &memory[lane][before], &memory[other][reference]);
                if pass > 0 {
                    block.0.iter_mut().zip(memory[lane][column].0).for_each(|(new, old)| *new ^= old);
                }
                memory[lane][column] = block;
            }
        }
        after.push((memory[0][0].0[0], memory[LANES - 1][lane_length - 1].0[127]));
    }
    let mut last = Block::ZERO;
    for lane in &memory {
        last.0.iter_mut().zip(lane[lane_length - 1].0).for_each(|(sum, word)| *sum ^= word);
    }
    let bytes: Vec<u8> = last.0.iter().flat_map(|word| word.to_le_bytes()).collect();
    (after, hex(&variable(&[&bytes], 32)))
}

/// Checks the words of section 5.3 after each pass, and the tags of sections 5.1 to 5.3.
fn assert_vectors(kernel: impl Compress) {
    let (after, tag) = argon2(kernel, Variant::Id);
    assert_eq!(
        after,
        [
            (0x6b2e_09f1_0671_bd43, 0x81f8_8b28_683e_a8e5),
            (0x3653_ec9d_0158_3df9, 0xa552_22a9_3754_c692),
            (0x9423_6396_8ce5_97a4, 0x0b01_2846_a40f_346a),
        ]
    );
    assert_eq!(tag, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    let tags = [Variant::D, Variant::I].map(|variant| argon2(kernel, variant).1);
    assert_eq!(tags[0], "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb");
    assert_eq!(tags[1], "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8");
}

#[test]
#[cfg_attr(miri, ignore = "six hundred compressions")]
fn the_vectors_of_rfc_9106_come_out_of_every_compression_of_this_processor() {
    Avx2::detect().into_iter().for_each(assert_vectors);
    Avx512::detect().into_iter().for_each(assert_vectors);
}

/// BlaMka in the words of RFC 9106 sections 3.5 and 3.6, one word at a time.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

impl Compress for Scalar {
    fn compress(self, previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
        let mut r = previous.clone();
        r.0.iter_mut().zip(reference.0).for_each(|(x, y)| *x ^= y);
        let mut z = r.clone();
        for row in 0..8 {
            round(&mut z, std::array::from_fn(|i| 16 * row + i));
        }
        for column in 0..8 {
            round(&mut z, std::array::from_fn(|i| 16 * (i / 2) + 2 * column + i % 2));
        }
        for i in 0..Block::WORDS {
            let onto = if onto { to.0[i] } else { 0 };
            to.0[i] = onto ^ r.0[i] ^ z.0[i];
        }
    }
}

fn round(block: &mut Block, at: [usize; 16]) {
    let v = &mut block.0;
    for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]].into_iter().chain([
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ]) {
        let [a, b, c, d] = [at[a], at[b], at[c], at[d]];
        for (by_d, by_b) in [(32, 24), (16, 63)] {
            let add = |x: u64, y: u64| {
                let product = (x & 0xffff_ffff).wrapping_mul(y & 0xffff_ffff);
                x.wrapping_add(y).wrapping_add(product.wrapping_mul(2))
            };
            v[a] = add(v[a], v[b]);
            v[d] = (v[d] ^ v[a]).rotate_right(by_d);
            v[c] = add(v[c], v[d]);
            v[b] = (v[b] ^ v[c]).rotate_right(by_b);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "three hundred compressions")]
fn the_vectors_of_rfc_9106_come_out_of_its_own_words() {
    assert_vectors(Scalar);
}
