//! The rules of an RPC, read from the `method_rules` option of its descriptor. Separate from the generated types
//! because options are extensions, which only reflection can read.

use prost_reflect::MethodDescriptor;

use super::method_rules::Credential;
use super::{ErrorReason, MethodRules};

/// The reasons that any call may fail with.
const OF_ANY_CALL: [ErrorReason; 3] = [ErrorReason::Validation, ErrorReason::Overloaded, ErrorReason::Unavailable];

impl MethodRules {
    /// The rules of an RPC. An RPC that states none needs a token.
    pub fn of(rpc: &MethodDescriptor) -> Self {
        let extension = rpc.parent_pool().get_extension_by_name("countersign.v1.method_rules");
        let stated =
            extension.and_then(|extension| rpc.options().get_extension(&extension).as_message()?.transcode_to().ok());
        stated.unwrap_or_default()
    }

    /// Every reason that a call may fail with: those of any call, of its credential, and of this RPC.
    pub fn all_reasons(&self) -> Vec<ErrorReason> {
        let of_credential = match self.credential() {
            Credential::Unspecified | Credential::FormerToken => {
                &[ErrorReason::TokenMissing, ErrorReason::TokenInvalid, ErrorReason::TokenExpired][..]
            }
            Credential::Service | Credential::Introspection => &[ErrorReason::TokenMissing, ErrorReason::TokenInvalid],
            Credential::None => &[],
        };
        OF_ANY_CALL.iter().chain(of_credential).copied().chain(self.reasons()).collect()
    }
}
