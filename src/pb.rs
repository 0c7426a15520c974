//! The generated protobuf types, and what every user of them needs: the descriptors, the rules of each RPC (`rules`),
//! and how messages become bytes (`codec`). Separate because `grpc` and `rest` both use these types and neither owns
//! them.

pub mod codec;
mod rules;

#[expect(clippy::all, clippy::allow_attributes, reason = "generated; the protos carry the documentation")]
mod generated {
    tonic::include_proto!("countersign.v1");
    // `Debug` that shows no secret, and the codes of the reasons: what the options of the protos say.
    include!(concat!(env!("OUT_DIR"), "/options.rs"));
}

pub use generated::*;

/// The descriptors of every served proto file, as protox encoded them. They include the messages of error details, so
/// that clients which know the API by reflection, such as grpcurl, can show them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The domain of every `google.rpc.ErrorInfo` that this service sends.
pub const ERROR_DOMAIN: &str = "countersign.v1";

impl ErrorReason {
    /// The text of `google.rpc.ErrorInfo.reason`: the name of the value without its prefix.
    pub fn as_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches("ERROR_REASON_")
    }

    /// Reads the text of [`Self::as_reason`]; `ERROR_REASON_UNSPECIFIED` if no reason has it.
    pub fn from_reason(reason: &str) -> Self {
        Self::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or(Self::Unspecified)
    }
}
