//! The generated messages and services of `proto/`, their descriptors, the rules of each RPC (`rules`), the codec of
//! the services, and gRPC's own health protocol (`vendor/`). A package of its own because the compiler takes longer for
//! the generated code than for the rest of a check, and the generated code seldom changes.

pub mod codec;
mod rules;

#[expect(clippy::all, clippy::allow_attributes, reason = "generated; the protos carry the documentation")]
mod generated {
    tonic::include_proto!("countersign.v1");
    // `Debug` that shows no secret, and the codes of the reasons: what the options of the protos say.
    include!(concat!(env!("OUT_DIR"), "/options.rs"));
}

/// The health protocol of gRPC (`grpc.health.v1`).
#[expect(
    clippy::all,
    clippy::allow_attributes,
    rustdoc::bare_urls,
    reason = "generated; the proto carries the documentation"
)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

pub use generated::*;

/// The messages of external authorization, and those that they are made of.
mod authorization {
    include!(concat!(env!("OUT_DIR"), "/envoy.rs"));
}

pub use authorization::envoy;

/// The descriptors of external authorization, apart from [`DESCRIPTORS`] because it is served only if a setting says
/// so.
pub const ENVOY_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"));

/// The descriptors of all served proto files, as protox encoded them. Also those of the error details, which no service
/// uses: with them, clients such as grpcurl can show the details of an error.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The descriptors of the health protocol of gRPC.
pub const HEALTH_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/health.bin"));

/// The domain of every `google.rpc.ErrorInfo` that this service sends.
pub const ERROR_DOMAIN: &str = "countersign.v1";

impl ErrorReason {
    /// Returns the text of `google.rpc.ErrorInfo.reason`: the name of the value without `ERROR_REASON_`.
    pub fn as_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches("ERROR_REASON_")
    }

    /// Returns the value of `WWW-Authenticate` in a 401 (RFC 6750 section 3): with an error only if a token was
    /// presented.
    pub const fn challenge(self) -> &'static str {
        match self {
            Self::TokenInvalid | Self::TokenExpired => "Bearer error=\"invalid_token\"",
            _ => "Bearer",
        }
    }

    /// Parses the text of [`Self::as_reason`]. Returns `ERROR_REASON_UNSPECIFIED` for any other text.
    pub fn from_reason(reason: &str) -> Self {
        Self::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or(Self::Unspecified)
    }
}
