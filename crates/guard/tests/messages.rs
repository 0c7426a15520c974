//! The checked-in client of `WatchRevocations` is the one that the protos of this repository give. Separate from the
//! crate's own tests because a published package has no protos.

use std::fs;
use std::path::Path;

/// The messages that the call needs; the client of every other call would need more.
const MESSAGES: [&str; 4] = ["WatchRevocationsRequest", "WatchRevocationsResponse", "Revocation", "AccountRevocation"];

const HEADER: &str = "\
//! The messages and the client of `SessionService.WatchRevocations`, generated from the protos so that an adopter needs
//! none. `tests/messages.rs` writes this file and compares it: do not edit it.

";

#[test]
fn the_checked_in_client_is_what_the_protos_give() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = "countersign/v1/session_service.proto";
    let mut descriptors = protox::compile([file], [package.join("../../proto")]).unwrap();
    descriptors.file.retain(|found| found.name() == file || found.package() == "google.protobuf");
    let proto = descriptors.file.iter_mut().find(|found| found.name() == file).unwrap();
    proto.source_code_info = None;
    proto.message_type.retain(|message| MESSAGES.contains(&message.name()));
    proto.service[0].method.retain(|method| method.name() == "WatchRevocations");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .out_dir(folder)
        .compile_fds(descriptors)
        .unwrap();
    let generated = HEADER.to_owned() + &fs::read_to_string(folder.join("countersign.v1.rs")).unwrap();

    let checked_in = package.join("src/watch/pb.rs");
    if fs::read_to_string(&checked_in).unwrap_or_default() != generated {
        fs::write(&checked_in, generated).unwrap();
        panic!("src/watch/pb.rs was not what the protos give; it has been written anew: review and commit it");
    }
}
