//! The inputs that are refused before anything is hashed, and the memory.

use super::hash;
use crate::{Error, Kernel, Memory, Params};

#[test]
fn parameters_outside_the_bounds_are_refused() {
    for (memory, passes, error) in
        [(0, 1, Error::MemoryCost), (7, 1, Error::MemoryCost), (8, 0, Error::Passes), (u32::MAX, 0, Error::Passes)]
    {
        assert_eq!(Params::new(memory, passes), Err(error), "m={memory} t={passes}");
    }
    for (memory, blocks) in [(8, 8), (9, 8), (11, 8), (12, 12), (u32::MAX, u32::MAX as usize - 3)] {
        assert_eq!(Params::new(memory, u32::MAX).unwrap().blocks(), blocks);
    }
}

#[test]
fn what_only_the_crate_can_do_is_not_taken_for_what_the_kernels_can() {
    let lanes = argon2::Params::new(64, 2, 4, None).unwrap();
    assert_eq!(Params::try_from(&lanes), Err(Error::Unsupported));
    let data =
        argon2::ParamsBuilder::new().m_cost(64).data(argon2::AssociatedData::new(b"x").unwrap()).build().unwrap();
    assert_eq!(Params::try_from(&data), Err(Error::Unsupported));
    let plain = argon2::Params::new(64, 2, 1, None).unwrap();
    assert_eq!(Params::try_from(&plain), Params::new(64, 2));
    assert_eq!(argon2::Params::try_from(Params::new(64, 2).unwrap()), Ok(plain));
    let most = Params::new(u32::MAX, u32::MAX).unwrap();
    assert_eq!(argon2::Params::try_from(most).map(|params| params.m_cost()), Ok(u32::MAX));
}

#[test]
fn bad_input_is_refused_by_every_kernel_and_nothing_is_hashed() {
    let params = Params::new(8, 1).unwrap();
    let mut memory = Memory::allocate(8).unwrap();
    for kernel in Kernel::available() {
        for salt in [b"".as_slice(), b"1234567"] {
            assert_eq!(kernel.fill(b"password", salt, params, &mut memory), Err(Error::SaltTooShort), "{kernel}");
        }
        let larger = Params::new(12, 1).unwrap();
        assert_eq!(kernel.fill(b"password", b"12345678", larger, &mut memory), Err(Error::MemoryTooSmall), "{kernel}");
        let none = &mut Memory::default();
        assert_eq!(kernel.fill(b"password", b"12345678", params, none), Err(Error::MemoryTooSmall), "{kernel}");
    }
    assert_eq!(memory.used(), 0);
}

#[test]
#[cfg(all(target_pointer_width = "64", not(miri)))]
fn four_gibibytes_are_too_long_and_are_not_read() {
    // The range is mapped and never touched, so it takes no memory.
    let vast = memmap2::MmapOptions::new().len(u32::MAX as usize + 1).no_reserve_swap().map_anon().unwrap();
    let params = Params::new(8, 1).unwrap();
    let mut memory = Memory::allocate(8).unwrap();
    for kernel in Kernel::available() {
        assert_eq!(kernel.fill(&vast, b"12345678", params, &mut memory), Err(Error::PasswordTooLong));
        assert_eq!(kernel.fill(b"password", &vast, params, &mut memory), Err(Error::SaltTooLong));
    }
    assert_eq!(memory.used(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "Miri stops where a system has no memory")]
fn memory_that_cannot_be_had_is_an_error() {
    for blocks in [usize::MAX, usize::MAX / 1_024, usize::MAX / 4_096] {
        assert!(matches!(Memory::allocate(blocks), Err(Error::OutOfMemory)), "{blocks} blocks");
    }
}

#[test]
fn memory_is_zero_at_first_and_after_it_was_wiped() {
    for kernel in Kernel::available() {
        let mut memory = Memory::allocate(16).unwrap();
        assert_eq!((memory.len(), memory.bytes(), memory.used()), (16, 16_384, 0));
        kernel.fill(b"password", b"12345678", Params::new(13, 1).unwrap(), &mut memory).unwrap();
        assert_eq!(memory.used(), 12, "no more than it takes");
        memory.wipe_range(8, 100);
        assert_eq!(memory.used(), 8);
        memory.wipe_range(5, 2);
        assert_eq!(memory.used(), 8, "from where it ends already");
        memory.wipe(16);
        assert_eq!(memory.used(), 0);
    }
    assert!(Memory::allocate(0).unwrap().is_empty() && Memory::default().is_empty());
}

#[test]
#[cfg_attr(miri, ignore = "six hashes by each, of which the other tests make some")]
fn every_input_counts() {
    for kernel in Kernel::available() {
        let all = [
            hash(kernel, b"password", b"12345678", 8, 1),
            hash(kernel, b"passwore", b"12345678", 8, 1),
            hash(kernel, b"password", b"12345679", 8, 1),
            // The number of blocks is equal, but the requested cost is part of the hash.
            hash(kernel, b"password", b"12345678", 9, 1),
            hash(kernel, b"password", b"12345678", 8, 2),
            hash(kernel, b"password1", b"2345678x", 8, 1),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().map(|output| output.unwrap()).collect();
        assert_eq!(distinct.len(), all.len(), "{kernel}");
    }
}
