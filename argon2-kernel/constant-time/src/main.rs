//! Hashes a password that valgrind takes for undefined memory, so that it reports every branch and every address that
//! depends on it. What it may report, `check` knows. A package of its own because nothing else needs valgrind.
//!
//! valgrind knows no AVX-512, so this is about AVX2; what surrounds the compression is the same for both. With
//! `control` it branches on the password itself, which must be reported.

use argon2_kernel::{Kernel, Memory, Params};

unsafe extern "C" {
    fn make_secret(memory: *mut u8, bytes: usize);
    fn make_public(memory: *mut u8, bytes: usize);
}

fn main() -> Result<(), argon2_kernel::Error> {
    let mut password = *b"correct horse battery staple";
    // Several blocks of addresses to a segment, and both kinds of pass.
    let params = Params::new(1_036, 2)?;
    let mut memory = Memory::allocate(params.blocks())?;
    let kernel = Kernel::available().next().unwrap_or(Kernel::PORTABLE);
    // SAFETY: it is this array, and its bytes stay as they are.
    unsafe { make_secret(password.as_mut_ptr(), password.len()) };
    if std::env::args().any(|argument| argument == "control") && std::hint::black_box(&password)[3] > b'q' {
        println!("control");
    }
    let mut output = kernel.fill(&password, b"a salt of sixteen", params, &mut memory)?;
    // SAFETY: as above.
    unsafe { make_public(output.as_mut_ptr(), output.len()) };
    println!("{kernel} {output:02x?}");
    Ok(())
}
