//! Compiles `proto/` with protox, so that a fresh machine needs no protoc. It is the build script of `crates/proto`, from
//! whose folder cargo runs it.

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use prost::Message as _;

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder this way")]
fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", proto.display());

    // Every file of our own, and those that no service uses: the details that an error may have.
    let mut protos: Vec<_> =
        fs::read_dir(proto.join("countersign/v1"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    protos.sort();
    protos.extend(["google/rpc/status.proto", "google/rpc/error_details.proto"].map(|file| proto.join(file)));
    // Encoded by protox itself: a round trip through prost's types would drop custom options, the REST paths.
    let bytes = protox::Compiler::new([proto])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(protos)?
        .encode_file_descriptor_set();
    let mut descriptors = prost_types::FileDescriptorSet::decode(bytes.as_slice())?;
    // No Rust of what only reflection and OpenAPI speak of.
    descriptors.file.retain(|file| {
        !matches!(file.package(), "google.api" | "google.rpc") && !file.name().ends_with("/field_schema.proto")
    });

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;
    let with_secrets = [
        "RegisterRequest",
        "RegisterResponse",
        "LoginRequest",
        "LoginResponse",
        "VerifyEmailRequest",
        "ChangeEmailRequest",
        "ChangePasswordRequest",
        "ResetPasswordRequest",
        "AcceptInvitationRequest",
        "CreateAccountRequest",
        "SetPasswordRequest",
        "PortableAccount",
        "ImportAccountsRequest",
        "ExportAccountsResponse",
    ];
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::SmallCodec")
        // `lib.rs` gives these a `Debug` that shows nothing.
        .skip_debug(with_secrets.map(|message| format!("countersign.v1.{message}")))
        .compile_fds(descriptors)?;
    Ok(())
}
