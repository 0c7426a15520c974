//! The proof that every kernel gives the same answer: RFC 9106's own vectors (`rfc9106`), hashes that the C
//! implementation made (`reference`), the `argon2` crate on tens of thousands of inputs (`differential`), and refused
//! inputs (`bounds`). Separate from the tested files because two of the tests use their internals.

mod bounds;
mod differential;
mod reference;
mod rfc9106;

use crate::{Error, Kernel, Memory, OUTPUT_BYTES, Params};

fn hash(kernel: Kernel, password: &[u8], salt: &[u8], memory: u32, passes: u32) -> Result<[u8; OUTPUT_BYTES], Error> {
    let params = Params::new(memory, passes)?;
    kernel.fill(password, salt, params, &mut Memory::allocate(params.blocks())?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
