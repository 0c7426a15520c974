//! The generated protobuf types, and what every user of them needs: the descriptors, `Debug` that shows no secret, and
//! how they become bytes (`codec`).
//! Separate because both faces, `grpc` and `rest`, speak it and neither owns it.

pub mod codec;

use std::fmt;

#[expect(clippy::all, clippy::allow_attributes, reason = "generated; the protos carry the documentation")]
mod generated {
    tonic::include_proto!("countersign.v1");
}

pub use generated::*;

/// The descriptors of every served proto file, as protox encoded them; also of those that no service uses, which let
/// grpcurl and its like show the details of an error.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The domain of every `google.rpc.ErrorInfo` that this service sends.
pub const ERROR_DOMAIN: &str = "countersign.v1";

impl ErrorReason {
    /// As `google.rpc.ErrorInfo.reason` carries it: the name without its prefix.
    pub fn as_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches("ERROR_REASON_")
    }

    /// The reverse of [`Self::as_reason`]; `ERROR_REASON_UNSPECIFIED` for a text that is none.
    pub fn from_reason(reason: &str) -> Self {
        Self::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or(Self::Unspecified)
    }
}

/// Messages that carry a password, a hash or a token print as their bare name: a log line must not be able to leak one.
macro_rules! opaque_debug {
    ($($message:ident),+) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        }
    )+};
}

opaque_debug!(
    RegisterRequest,
    RegisterResponse,
    LoginRequest,
    LoginResponse,
    VerifyEmailRequest,
    ChangeEmailRequest,
    ChangePasswordRequest,
    ResetPasswordRequest,
    AcceptInvitationRequest,
    CreateAccountRequest,
    SetPasswordRequest,
    PortableAccount,
    ImportAccountsRequest,
    ExportAccountsResponse
);
