//! The compression in vectors of four words (AVX2). Four rounds are computed at a time: a single round would wait for
//! each of its multiplications, and four of them keep the core busy.
//!
//! A round works on sixteen words: a, b, c and d, four of each. First the four columns (a0 b0 c0 d0) … are mixed, then
//! the diagonals (a0 b1 c2 d3) …: b, c and d are turned by one, two and three words and back.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_mul_epu32, _mm256_permute4x64_epi64, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi64, _mm256_xor_si256,
};

use zerocopy::{transmute_mut, transmute_ref};

use super::Compress;
use crate::memory::Block;

/// The proof that this processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Compress for Avx2 {
    fn compress(self, previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
        #[expect(unsafe_code, reason = "the compiler cannot know what the processor has")]
        // SAFETY: `compress` requires only AVX2. A value of this type exists, its field is private to this file, and
        // only `detect` creates one, where the processor has AVX2.
        unsafe {
            compress(previous, reference, to, onto);
        }
    }
}

/// Four words of each of four rounds.
type Words256 = [__m256i; 4];

#[target_feature(enable = "avx2")]
fn compress(previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
    let previous: &[__m256i; 32] = transmute_ref!(previous);
    let reference: &[__m256i; 32] = transmute_ref!(reference);
    let to: &mut [__m256i; 32] = transmute_mut!(to);
    let mut x = [_mm256_setzero_si256(); 32];
    for i in 0..32 {
        // Both blocks are read at once, because the reference is seldom in the nearest cache.
        x[i] = _mm256_xor_si256(previous[i], reference[i]);
        to[i] = if onto { _mm256_xor_si256(to[i], x[i]) } else { x[i] };
    }
    for half in 0..2 {
        rows(&mut x, 16 * half);
    }
    for half in 0..2 {
        columns(&x, to, 2 * half);
    }
}

/// The rounds of four rows, from vector `at` on: a vector is a row's a, b, c or d.
#[inline]
#[target_feature(enable = "avx2")]
fn rows(x: &mut [__m256i; 32], at: usize) {
    const ONE: i32 = 0b00_11_10_01;
    const TWO: i32 = 0b01_00_11_10;
    const THREE: i32 = 0b10_01_00_11;
    let mut a = [x[at], x[at + 4], x[at + 8], x[at + 12]];
    let mut b = [x[at + 1], x[at + 5], x[at + 9], x[at + 13]];
    let mut c = [x[at + 2], x[at + 6], x[at + 10], x[at + 14]];
    let mut d = [x[at + 3], x[at + 7], x[at + 11], x[at + 15]];
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn::<ONE>(b), turn::<TWO>(c), turn::<THREE>(d));
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn::<THREE>(b), turn::<TWO>(c), turn::<ONE>(d));
    for row in 0..4 {
        [x[at + 4 * row], x[at + 4 * row + 1], x[at + 4 * row + 2], x[at + 4 * row + 3]] =
            [a[row], b[row], c[row], d[row]];
    }
}

/// The rounds of four columns, two in the vector `at` of each row and two in the next, added to the output. A column's
/// a is a pair of words in each of the first two rows, its b in the next two, and so on: a vector and its partner in
/// the next row.
#[inline]
#[target_feature(enable = "avx2")]
fn columns(x: &[__m256i; 32], to: &mut [__m256i; 32], at: usize) {
    let [mut a, mut b, mut c, mut d] = [at, at + 8, at + 16, at + 24].map(|i| [x[i], x[i + 4], x[i + 1], x[i + 5]]);
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn_pairs(b), swap(c), swap(turn_pairs(d)));
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (swap(turn_pairs(b)), swap(c), turn_pairs(d));
    for (i, z) in [(at, a), (at + 8, b), (at + 16, c), (at + 24, d)] {
        for (i, z) in [i, i + 4, i + 1, i + 5].into_iter().zip(z) {
            to[i] = _mm256_xor_si256(to[i], z);
        }
    }
}

/// The function G of RFC 9106 section 3.6, on sixteen columns at once.
#[inline]
#[target_feature(enable = "avx2")]
fn mix(a: &mut Words256, b: &mut Words256, c: &mut Words256, d: &mut Words256) {
    // Each step is done for all four rounds before the next step, which keeps the core busy.
    for i in 0..4 {
        a[i] = multiply_add(a[i], b[i]);
    }
    for i in 0..4 {
        d[i] = _mm256_shuffle_epi32(_mm256_xor_si256(d[i], a[i]), 0b10_11_00_01);
    }
    for i in 0..4 {
        c[i] = multiply_add(c[i], d[i]);
    }
    for i in 0..4 {
        b[i] = rotate_by_bytes::<3>(_mm256_xor_si256(b[i], c[i]));
    }
    for i in 0..4 {
        a[i] = multiply_add(a[i], b[i]);
    }
    for i in 0..4 {
        d[i] = rotate_by_bytes::<2>(_mm256_xor_si256(d[i], a[i]));
    }
    for i in 0..4 {
        c[i] = multiply_add(c[i], d[i]);
    }
    for i in 0..4 {
        let x = _mm256_xor_si256(b[i], c[i]);
        // A rotation to the right by 63 bits is one to the left by one bit.
        b[i] = _mm256_xor_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x));
    }
}

/// x + y + 2 · the product of their lower halves.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_add(x: __m256i, y: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(x, y);
    _mm256_add_epi64(_mm256_add_epi64(x, y), _mm256_add_epi64(product, product))
}

/// Rotates every word to the right by two or three bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_by_bytes<const BYTES: usize>(x: __m256i) -> __m256i {
    let from = if BYTES == 2 {
        _mm256_setr_epi8(
            2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
        )
    } else {
        _mm256_setr_epi8(
            3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
        )
    };
    _mm256_shuffle_epi8(x, from)
}

/// The words of each vector in the order `FROM`.
#[inline]
#[target_feature(enable = "avx2")]
fn turn<const FROM: i32>(x: Words256) -> Words256 {
    x.map(|x| _mm256_permute4x64_epi64::<FROM>(x))
}

/// Turns four words by one. They are in two vectors, of which a column has one half each.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_pairs([x0, x1, y0, y1]: Words256) -> Words256 {
    [
        _mm256_alignr_epi8::<8>(x1, x0),
        _mm256_alignr_epi8::<8>(x0, x1),
        _mm256_alignr_epi8::<8>(y1, y0),
        _mm256_alignr_epi8::<8>(y0, y1),
    ]
}

/// Turns the same words by two.
#[inline]
fn swap([x0, x1, y0, y1]: Words256) -> Words256 {
    [x1, x0, y1, y0]
}
