//! The one refusal of a passkey, with two faces: a caller can tell a client that the passkey was not accepted, and the
//! log why.

use crate::values::Counter;

/// The answer was refused. `Display` is for clients and is always the same text; [`Refusal::reason`] is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passkey was not accepted")]
pub struct Refusal(#[from] Reason);

impl Refusal {
    /// The reason, for the log and the audit trail. It repeats nothing of the input.
    pub fn reason(self) -> Reason {
        self.0
    }
}

/// Why an answer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The answer is longer than [`crate::LONGEST_RESPONSE`].
    #[error("the answer is longer than any authenticator's")]
    TooLong,
    /// A part of the answer does not have its form.
    #[error("{0} is malformed")]
    Malformed(Part),
    /// The `type` of the credential is not `public-key`.
    #[error("the credential is not of the type public-key")]
    OtherCredentialType,
    /// The `id` and `rawId`, or the id that the authenticator attested, differ.
    #[error("the answer names two credentials")]
    TwoCredentials,
    /// The client data are of another ceremony than this one.
    #[error("the client data are of another ceremony")]
    OtherCeremony,
    /// The challenge is not the one of this ceremony.
    #[error("the challenge is another one, such as an old one")]
    OtherChallenge,
    /// The page's origin is not one of the relying party's.
    #[error("the page's origin is not in RP_ORIGINS")]
    OtherOrigin,
    /// The page was in a frame of another origin.
    #[error("the page was in a frame of another origin")]
    Framed,
    /// The authenticator data are for another relying party.
    #[error("the credential is not for RP_ID")]
    OtherRelyingParty,
    /// The authenticator did not see a user.
    #[error("the authenticator did not see a user")]
    UserAbsent,
    /// The authenticator did not verify the user, which the policy requires.
    #[error("the authenticator did not verify the user")]
    UserUnverified,
    /// The credential says that it is backed up, and that it cannot be.
    #[error("the credential is backed up, and says that it cannot be")]
    BackedUpButIneligible,
    /// The credential can be backed up now and could not at registration, or the reverse.
    #[error("the credential's backup eligibility is not that of its registration")]
    BackupEligibilityChanged,
    /// A registration without a new credential, or a sign-in with one.
    #[error("the answer has a new credential where none belongs, or none where one belongs")]
    MisplacedCredential,
    /// The algorithm of the key is not one that the options offered.
    #[error("the algorithm of the credential was not offered")]
    OtherAlgorithm,
    /// The attestation statement is of a form that is judged, and is not valid.
    #[error("the attestation statement is not valid")]
    FalseAttestation,
    /// The account has no such credential.
    #[error("the account has no such credential")]
    UnknownCredential,
    /// The answer does not say whose credential it is, and nothing else does.
    #[error("the answer has no user handle")]
    NoUserHandle,
    /// The user handle is another account's.
    #[error("the user handle is another account's")]
    OtherUser,
    /// The signature is not the credential's.
    #[error("the signature is not the credential's")]
    WrongSignature,
    /// The counter did not grow: the credential may have been cloned, or two answers were verified out of order.
    #[error("the signature counter went from {stored} to {presented}: the authenticator may have been cloned")]
    CounterRegressed {
        /// The counter of the latest accepted answer.
        stored: Counter,
        /// The counter of this answer.
        presented: Counter,
    },
}

/// A part of an answer that has a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Part {
    /// The JSON of `RegistrationResponseJSON` or `AuthenticationResponseJSON`.
    #[error("the answer")]
    Response,
    /// The JSON of `CollectedClientData`.
    #[error("the client data")]
    ClientData,
    /// The CBOR of the attestation object.
    #[error("the attestation object")]
    AttestationObject,
    /// The bytes of the authenticator data.
    #[error("the authenticator data")]
    AuthenticatorData,
    /// The COSE key of the credential.
    #[error("the public key")]
    PublicKey,
}
