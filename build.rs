//! Compiles `proto/` with protox, so that a fresh machine needs no protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder this way")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");

    let protos = ["auth_service", "session_service", "account", "error_reason"]
        .map(|name| format!("proto/countersign/v1/{name}.proto"));
    // Encoded by protox itself: a round trip through prost's types would drop custom options.
    let bytes = protox::Compiler::new(["proto"])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(protos)?
        .encode_file_descriptor_set();
    let descriptors = prost_types::FileDescriptorSet::decode(bytes.as_slice())?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;
    let with_secrets = ["RegisterRequest", "RegisterResponse", "LoginRequest", "LoginResponse"];
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::pb::codec::SmallCodec")
        // `pb.rs` gives these a `Debug` that shows nothing.
        .skip_debug(with_secrets.map(|message| format!("countersign.v1.{message}")))
        .compile_fds(descriptors)?;

    // Not in the binary: of `examples/guarded_service`, for cargo has no build script for examples alone.
    let example = "examples/guarded_service";
    println!("cargo:rerun-if-changed={example}/greeter.proto");
    let descriptors = protox::compile(["greeter.proto"], [example])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
