//! The generated messages and services of `proto/`, their descriptors, a `Debug` that shows no secret, and the codec of
//! the services. A package of its own because the compiler takes longer for the generated code than for the rest of a
//! check, and the generated code seldom changes.

pub mod codec;

use std::fmt;

#[expect(clippy::all, clippy::allow_attributes, reason = "generated; the protos carry the documentation")]
mod generated {
    tonic::include_proto!("countersign.v1");
}

pub use generated::*;

/// The descriptors of all served proto files, as protox encoded them. Also those of the error details, which no service
/// uses: with them, clients such as grpcurl can show the details of an error.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The domain of every `google.rpc.ErrorInfo` that this service sends.
pub const ERROR_DOMAIN: &str = "countersign.v1";

impl ErrorReason {
    /// Returns the text of `google.rpc.ErrorInfo.reason`: the name of the value without `ERROR_REASON_`.
    pub fn as_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches("ERROR_REASON_")
    }

    /// Parses the text of [`Self::as_reason`]. Returns `ERROR_REASON_UNSPECIFIED` for any other text.
    pub fn from_reason(reason: &str) -> Self {
        Self::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or(Self::Unspecified)
    }
}

/// Implements `Debug` as the bare name of a message that has a password, a hash or a token, so that no log line can
/// leak it.
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
