//! The compression in vectors of eight words (AVX-512). Eight rounds are computed at a time, two in each of four
//! vectors: a single round would wait for each of its multiplications, and four vectors keep the core busy.
//!
//! A round works on sixteen words: a, b, c and d, four of each. First the four columns (a0 b0 c0 d0) … are mixed, then
//! the diagonals (a0 b1 c2 d3) …: b, c and d are turned by one, two and three words and back.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_castpd_si512, _mm512_castsi512_pd, _mm512_mul_epu32, _mm512_permutex_epi64,
    _mm512_ror_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_shuffle_pd, _mm512_xor_si512,
};

use zerocopy::{transmute_mut, transmute_ref};

use super::Compress;
use crate::memory::Block;

/// The proof that this processor has AVX-512F.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Compress for Avx512 {
    fn compress(self, previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
        #[expect(unsafe_code, reason = "the compiler cannot know what the processor has")]
        // SAFETY: `compress` requires only AVX-512F. A value of this type exists, its field is private to this file,
        // and only `detect` creates one, where the processor has AVX-512F.
        unsafe {
            compress(previous, reference, to, onto);
        }
    }
}

/// Four words of each of eight rounds.
type Words512 = [__m512i; 4];

#[target_feature(enable = "avx512f")]
fn compress(previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
    let previous: &[__m512i; 16] = transmute_ref!(previous);
    let reference: &[__m512i; 16] = transmute_ref!(reference);
    let to: &mut [__m512i; 16] = transmute_mut!(to);
    let mut x = [_mm512_setzero_si512(); 16];
    for i in 0..16 {
        // Both blocks are read at once, because the reference is seldom in the nearest cache.
        x[i] = _mm512_xor_si512(previous[i], reference[i]);
        to[i] = if onto { _mm512_xor_si512(to[i], x[i]) } else { x[i] };
    }
    rows(&mut x);
    columns(&x, to);
}

/// The rounds of the eight rows. A row is a vector of a and b and one of c and d; two rows make one of a, one of b, …
#[inline]
#[target_feature(enable = "avx512f")]
fn rows(x: &mut [__m512i; 16]) {
    const ONE: i32 = 0b00_11_10_01;
    const TWO: i32 = 0b01_00_11_10;
    const THREE: i32 = 0b10_01_00_11;
    const LOWER: i32 = 0b01_00_01_00;
    const UPPER: i32 = 0b11_10_11_10;
    let [mut a, mut b, mut c, mut d] = [[_mm512_setzero_si512(); 4]; 4];
    for i in 0..4 {
        let [ab, cd, next_ab, next_cd] = [x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]];
        (a[i], b[i]) = (_mm512_shuffle_i64x2::<LOWER>(ab, next_ab), _mm512_shuffle_i64x2::<UPPER>(ab, next_ab));
        (c[i], d[i]) = (_mm512_shuffle_i64x2::<LOWER>(cd, next_cd), _mm512_shuffle_i64x2::<UPPER>(cd, next_cd));
    }
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn::<ONE>(b), turn::<TWO>(c), turn::<THREE>(d));
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn::<THREE>(b), turn::<TWO>(c), turn::<ONE>(d));
    for i in 0..4 {
        x[4 * i] = _mm512_shuffle_i64x2::<LOWER>(a[i], b[i]);
        x[4 * i + 1] = _mm512_shuffle_i64x2::<LOWER>(c[i], d[i]);
        x[4 * i + 2] = _mm512_shuffle_i64x2::<UPPER>(a[i], b[i]);
        x[4 * i + 3] = _mm512_shuffle_i64x2::<UPPER>(c[i], d[i]);
    }
}

/// The rounds of the eight columns, added to the output. A column's a is a pair of words in each of the first two rows,
/// its b in the next two, and so on: a vector, of four columns, and its partner in the next row.
#[inline]
#[target_feature(enable = "avx512f")]
fn columns(x: &[__m512i; 16], to: &mut [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d] = [0, 4, 8, 12].map(|i| [x[i], x[i + 2], x[i + 1], x[i + 3]]);
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (turn_pairs(b), swap(c), swap(turn_pairs(d)));
    mix(&mut a, &mut b, &mut c, &mut d);
    (b, c, d) = (swap(turn_pairs(b)), swap(c), turn_pairs(d));
    for (i, z) in [(0, a), (4, b), (8, c), (12, d)] {
        for (i, z) in [i, i + 2, i + 1, i + 3].into_iter().zip(z) {
            to[i] = _mm512_xor_si512(to[i], z);
        }
    }
}

/// The function G of RFC 9106 section 3.6, on 32 columns at once.
#[inline]
#[target_feature(enable = "avx512f")]
fn mix(a: &mut Words512, b: &mut Words512, c: &mut Words512, d: &mut Words512) {
    // Each step is done for all four vectors before the next step, which keeps the core busy.
    for i in 0..4 {
        a[i] = multiply_add(a[i], b[i]);
    }
    for i in 0..4 {
        d[i] = _mm512_ror_epi64::<32>(_mm512_xor_si512(d[i], a[i]));
    }
    for i in 0..4 {
        c[i] = multiply_add(c[i], d[i]);
    }
    for i in 0..4 {
        b[i] = _mm512_ror_epi64::<24>(_mm512_xor_si512(b[i], c[i]));
    }
    for i in 0..4 {
        a[i] = multiply_add(a[i], b[i]);
    }
    for i in 0..4 {
        d[i] = _mm512_ror_epi64::<16>(_mm512_xor_si512(d[i], a[i]));
    }
    for i in 0..4 {
        c[i] = multiply_add(c[i], d[i]);
    }
    for i in 0..4 {
        b[i] = _mm512_ror_epi64::<63>(_mm512_xor_si512(b[i], c[i]));
    }
}

/// x + y + 2 · the product of their lower halves.
#[inline]
#[target_feature(enable = "avx512f")]
fn multiply_add(x: __m512i, y: __m512i) -> __m512i {
    let product = _mm512_mul_epu32(x, y);
    _mm512_add_epi64(_mm512_add_epi64(x, y), _mm512_add_epi64(product, product))
}

/// The words of each half of each vector in the order `FROM`.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn<const FROM: i32>(x: Words512) -> Words512 {
    x.map(|x| _mm512_permutex_epi64::<FROM>(x))
}

/// Turns four words by one. They are in two vectors, of which a column has one quarter each.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn_pairs([x0, x1, y0, y1]: Words512) -> Words512 {
    // The second word of each pair of `low` and the first of each of `high`.
    let between = |low, high| {
        let pairs = _mm512_shuffle_pd::<0b0101_0101>(_mm512_castsi512_pd(low), _mm512_castsi512_pd(high));
        _mm512_castpd_si512(pairs)
    };
    [between(x0, x1), between(x1, x0), between(y0, y1), between(y1, y0)]
}

/// Turns the same words by two.
#[inline]
fn swap([x0, x1, y0, y1]: Words512) -> Words512 {
    [x1, x0, y1, y0]
}
