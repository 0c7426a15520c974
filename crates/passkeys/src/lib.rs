//! Passkeys: the relying party's side of WebAuthn Level 3, separate from the server because it needs no database, no
//! clock and no network.
//!
//! 1. A [`RelyingParty`] is parsed from the settings `RP_ID` and `RP_ORIGINS`.
//! 2. A ceremony begins with a [`Challenge`] that the caller generates and remembers for some minutes. It is a
//!    [`Registration`] or an [`Authentication`], and its `options` are the JSON for the browser.
//! 3. The browser's answer is parsed: [`RegistrationResponse`], [`AuthenticationResponse`].
//! 4. The same ceremony verifies the answer, and returns what the caller stores: [`Registered`], [`Authenticated`].
//!
//! Everything that is wrong with an answer is one [`Refusal`]. Its reason is for the log and not for the client.
//!
//! ```
//! use countersign_passkeys::{Challenge, Descriptor, Mediation, Registration, RelyingParty, User};
//! use countersign_passkeys::{UserHandle, UserVerification};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let relying_party = RelyingParty::parse("example.org", ["https://example.org"])?;
//! let registration = Registration {
//!     relying_party: &relying_party,
//!     challenge: Challenge::generate()?,
//!     user_verification: UserVerification::Required,
//!     mediation: Mediation::Asked,
//! };
//! let handle = UserHandle::parse(&[7; 16]).ok_or("a handle has 1 to 64 bytes")?;
//! let user = User { handle: &handle, name: "ann@example.org", display_name: "Ann" };
//! let known: [Descriptor; 0] = [];
//! let options = registration.options(&user, &known, std::time::Duration::from_secs(300));
//! assert_eq!(options["rp"]["id"], "example.org");
//! # Ok(())
//! # }
//! ```
//!
//! What the caller must do itself: use a challenge once, refuse a credential id that any account has registered (a
//! unique constraint), and store the counter only if the stored one is still the one that was compared.

mod authentication;
mod authenticator_data;
mod cbor;
mod client_data;
mod public_key;
mod refusal;
mod registration;
mod relying_party;
mod response;
mod values;

pub use authentication::{Account, Authenticated, Authentication, Identified};
pub use public_key::{Algorithm, PublicKey};
pub use refusal::{Part, Reason, Refusal};
pub use registration::{Mediation, Registered, Registration, User};
pub use relying_party::{RelyingParty, RelyingPartyError};
pub use response::{AuthenticationResponse, LONGEST_RESPONSE, RegistrationResponse};
pub use values::{
    Backup, Challenge, Counter, Credential, CredentialId, Descriptor, Transport, UserHandle, UserVerification,
};
