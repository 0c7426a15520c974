//! Hashes that the C implementation made (Debian's libargon2 0~20171227, `argon2id_hash_raw`; PHC strings by its
//! command line program `argon2`), and the handling of a kernel with other answers.

use std::cell::Cell;

use super::rfc9106::Scalar;
use super::{hash, hex};
use crate::compress::Compress;
use crate::memory::Block;
use crate::{Choice, Error, Kernel, passes};

/// A test vector: password, salt, KiB, passes, output.
type Made = (&'static [u8], &'static [u8], u32, u32, &'static str);

const MADE_IN_C: [Made; 6] = [
    (b"", b"01234567", 8, 1, "94af08ec139a0cbac7ddc7e409bd267f5a621fb8f7b3fbdea0f6f0a3229ec12c"),
    (b"password", b"01234567", 8, 1, "d707b8db6623cb53dc0c7f03aaa8ced53e0d4db36a5c0b27be743ba9e98c2d48"),
    (&[0xff; 1_024], &[b's'; 64], 11, 5, "ff72893d9662c2f7f52b1fbcc40a7f094cfe86f555327b28e87ccd321cd880c2"),
    ("pässwörd".as_bytes(), b"somesalt", 513, 1, "8dafcbfb75abcdf21a7678a1ae6a0c2a17d927da907d3889ed378c2464440dfb"),
    (b"password", b"somesalt", 1_100, 2, "155c79f2fec0624a5cb60191ccfa8d675b48393b817f7c480d7dc2c2d483c281"),
    (b"password", b"somesaltsomesalt", 19_456, 2, "2b5dc4054886ec957ef59c73b661c54dd6fb274590b278f657c6d96aac8fa6d1"),
];

#[test]
fn a_hash_that_the_c_implementation_made_is_made_by_every_kernel() {
    for kernel in Kernel::available() {
        for (password, salt, memory, passes, output) in MADE_IN_C {
            // Miri takes half a minute for each KiB.
            if cfg!(miri) && (memory > 8 || passes > 1) {
                continue;
            }
            let made = hash(kernel, password, salt, memory, passes).unwrap();
            assert_eq!(hex(&made), output, "{kernel}: m={memory} t={passes}");
        }
    }
}

/// A run that tests certain kernels names them, so that it fails where they are missing.
#[test]
fn the_kernels_that_are_to_be_tested_are_there() {
    if let Some(expected) = option_env!("EXPECTED_KERNELS") {
        let names: Vec<_> = Kernel::available().map(Kernel::name).collect();
        assert_eq!(names.join(" "), expected);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes a minute for each of these hashes")]
fn every_kernel_of_this_processor_is_trusted_and_the_fastest_chosen() {
    for kernel in Kernel::available() {
        assert_eq!(kernel.or_portable(), Ok(Choice { kernel, wrong: None }));
    }
    assert_eq!(Kernel::choose().ok().map(|choice| choice.kernel), Kernel::available().next());
    assert_eq!(Kernel::available().last(), Some(Kernel::PORTABLE));
}

/// A correct kernel but for one bit of one word of one block.
#[derive(Clone, Copy)]
struct Wrong<'a> {
    left: &'a Cell<u32>,
    word: usize,
}

impl Compress for Wrong<'_> {
    fn compress(self, previous: &Block, reference: &Block, to: &mut Block, onto: bool) {
        Scalar.compress(previous, reference, to, onto);
        if self.left.replace(self.left.get().wrapping_sub(1)) == 0 {
            to.0[self.word] ^= 1 << 31;
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri takes a minute for each of these hashes")]
fn a_kernel_that_errs_in_one_bit_is_found_out_and_the_crate_hashes_in_its_place() {
    let suspect = Kernel::available().next().unwrap();
    if suspect == Kernel::PORTABLE {
        return;
    }
    // Six blocks of addresses, each compressed twice, and two passes of 1,036 blocks.
    for (at, word) in [(0, 0), (1, 7), (5, 127), (500, 0), (1_033, 1), (1_200, 64), (2_075, 127), (2_081, 127)] {
        let left = Cell::new(at);
        let choice = suspect.unless_wrong(|password, salt, params, memory| {
            let blocks = memory.first(params.blocks())?;
            Ok(passes::hash(Wrong { left: &left, word }, password, salt, params, blocks))
        });
        assert_eq!(
            choice,
            Ok(Choice { kernel: Kernel::PORTABLE, wrong: Some(suspect) }),
            "compression {at}, word {word}"
        );
        assert!(left.get() > u32::MAX / 2, "it did err");
    }
    let right = suspect.unless_wrong(|password, salt, params, memory| {
        Ok(passes::hash(Scalar, password, salt, params, memory.first(params.blocks())?))
    });
    assert_eq!(right, Ok(Choice { kernel: suspect, wrong: None }));
    let none = suspect.unless_wrong(|_, _, _, _| Err(Error::OutOfMemory));
    assert_eq!(none, Err(Error::OutOfMemory), "nothing is known of it then");
}
