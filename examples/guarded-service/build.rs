//! Compiles the service's own proto, and Countersign's for the client that proves the example, with protox, so that no
//! protoc is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Only the proof calls Countersign. A service of your own needs its protos only if it does so too.
    let folders = ["proto", "../../proto"];
    for folder in folders {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut descriptors = protox::compile(["greeter.proto", "countersign/v1/auth_service.proto"], folders)?;
    // What only the options of the protos use needs no Rust.
    descriptors.file.retain(|file| !matches!(file.package(), "google.api" | "google.rpc"));
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
