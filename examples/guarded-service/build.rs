//! Compiles the service's own proto, and Countersign's protos for the client that tests the example. It uses protox, so
//! no protoc is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Only the test client calls Countersign. A service of your own needs these protos only if it calls Countersign,
    // too.
    let folders = ["proto", "../../proto"];
    for folder in folders {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut descriptors = protox::compile(["greeter.proto", "countersign/v1/auth_service.proto"], folders)?;
    // Protos that only the options of others use need no Rust code.
    descriptors.file.retain(|file| !matches!(file.package(), "google.api" | "google.rpc"));
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
