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
    descriptors.file.retain(|file| matches!(file.package(), "greeter.v1" | "countersign.v1"));
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
