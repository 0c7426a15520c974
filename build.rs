//! Compiles `proto/` and the health protocol of gRPC with protox, so that a fresh machine needs no protoc, and turns
//! options of the protos into Rust. It is the build script of `crates/proto`; cargo runs it in the folder of that
//! package.

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use prost::Message as _;
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, OneofDescriptor};

const PACKAGE: &str = "countersign.v1";

/// What proxies speak, with all that it imports.
const ENVOY: &str = "envoy/service/auth/v3/external_auth.proto";

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder this way")]
fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    println!("cargo:rerun-if-changed=vendor");

    // All files of our own, and the messages of error details, which no service mentions.
    let mut protos: Vec<_> =
        fs::read_dir(proto.join("countersign/v1"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    protos.sort();
    protos.extend(["google/rpc/status.proto", "google/rpc/error_details.proto"].map(|file| proto.join(file)));
    // Encoded by protox itself: a round trip through prost's types would drop options that these do not know, such as
    // the REST paths and `debug_redact`.
    let bytes = protox::Compiler::new([proto])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(protos)?
        .encode_file_descriptor_set();
    let mut descriptors = prost_types::FileDescriptorSet::decode(bytes.as_slice())?;
    // Only reflection and the OpenAPI document use these files, so they become no Rust.
    descriptors.file.retain(|file| {
        !matches!(file.package(), "google.api" | "google.rpc") && !file.name().ends_with("/field_schema.proto")
    });

    let pool = DescriptorPool::decode(bytes.as_slice())?;
    let secretive: Vec<_> = pool.all_messages().filter(has_secret).collect();
    let debug_impls = secretive.iter().map(debug_impl).collect::<String>();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;
    fs::write(out.join("options.rs"), debug_impls + &grpc_codes(&pool)?)?;
    let configured = || tonic_prost_build::configure().build_transport(false).codec_path("crate::codec::SmallCodec");
    let builder = configured().skip_debug(secretive.iter().map(MessageDescriptor::full_name));
    // A message without a derived `Debug` has oneofs without one.
    let oneofs = secretive.iter().flat_map(|message| message.oneofs().filter(shows).collect::<Vec<_>>());
    oneofs
        .fold(builder, |builder, oneof| builder.enum_attribute(oneof.full_name(), "#[derive(Debug)]"))
        .compile_fds(descriptors)?;

    let health = protox::compile(["grpc/health/v1/health.proto"], ["vendor"])?;
    fs::write(out.join("health.bin"), health.encode_to_vec())?;
    configured().compile_fds(health)?;
    compile_envoy(proto, &out)
}

/// Compiles the protos that proxies speak apart from our own: they are described only if they are served, and the
/// server reads and writes them by hand.
fn compile_envoy(proto: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true).include_source_info(true).open_file(proto.join(ENVOY))?;
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("envoy.bin"), &descriptors)?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_client(false)
        .include_file("envoy.rs")
        .compile_fds(prost_types::FileDescriptorSet::decode(descriptors.as_slice())?)?;
    Ok(())
}

fn has_secret(message: &MessageDescriptor) -> bool {
    message.package_name() == PACKAGE && message.fields().any(|field| is_secret(&field))
}

/// Whether the field has the option `debug_redact`.
fn is_secret(field: &FieldDescriptor) -> bool {
    let option = field.options().get_field_by_name("debug_redact").and_then(|value| value.as_bool());
    option == Some(true)
}

/// Whether no field of the oneof is a secret.
fn shows(oneof: &OneofDescriptor) -> bool {
    !oneof.fields().any(|field| is_secret(&field))
}

/// A `Debug` that shows every field of the message except its secrets. A oneof with a secret is a secret as a whole.
fn debug_impl(message: &MessageDescriptor) -> String {
    let mut fields = Vec::new();
    for field in message.fields() {
        // A oneof is one field of the struct.
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let name = oneof.as_ref().map_or(field.name(), |oneof| oneof.name()).to_owned();
        let value = if is_secret(&field) || oneof.is_some_and(|oneof| !shows(&oneof)) {
            "::core::format_args!(\"[redacted]\")".to_owned()
        } else {
            format!("self.{name}")
        };
        fields.push(format!(".field({name:?}, &{value})"));
    }
    fields.dedup();
    let (name, fields) = (message.name(), fields.concat());
    format!(
        "impl ::core::fmt::Debug for {name} {{
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                f.debug_struct({name:?}){fields}.finish()
            }}
        }}\n"
    )
}

/// `ErrorReason::code`, from the option `grpc_code` of each reason.
fn grpc_codes(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let reasons = pool.get_enum_by_name(&format!("{PACKAGE}.ErrorReason")).ok_or("there is no ErrorReason")?;
    let option = pool.get_extension_by_name(&format!("{PACKAGE}.grpc_code")).ok_or("there is no grpc_code")?;
    let mut arms = String::new();
    for reason in reasons.values() {
        let options = reason.options();
        if options.has_extension(&option) {
            let code = options.get_extension(&option);
            let words = code.as_str().unwrap_or_default().split('_').map(|word| word.split_at(word.len().min(1)));
            let variant: String = words.map(|(first, rest)| first.to_owned() + &rest.to_lowercase()).collect();
            arms += &format!("{} => ::tonic::Code::{variant},", reason.number());
        } else if reason.number() != 0 {
            return Err(format!("{} has no grpc_code", reason.name()).into());
        }
    }
    Ok(format!(
        "impl ErrorReason {{
            /// The gRPC code of every failure with this reason.
            pub const fn code(self) -> ::tonic::Code {{
                match self as i32 {{ {arms} _ => ::tonic::Code::Unknown }}
            }}
        }}\n"
    ))
}
