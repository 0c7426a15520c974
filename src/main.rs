//! The program: the allocator, and the call of the library, which is everything else.

use std::process::ExitCode;

// glibc keeps the freed memory of finished connections in its arenas; this gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::process::run()
}
