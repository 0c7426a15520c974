//! Signing in with a credential: the options for the browser, and the steps of WebAuthn Level 3 section 7.2.

use std::time::Duration;

use serde_json::json;

use crate::authenticator_data::{AuthenticatorData, Presence};
use crate::client_data::{self, Ceremony};
use crate::refusal::{Reason, Refusal};
use crate::relying_party::RelyingParty;
use crate::response::AuthenticationResponse;
use crate::values::{Backup, Challenge, Counter, Credential, Descriptor, UserHandle, UserVerification, encode};

/// A sign-in, or a second factor. The same values make the options and judge the answer.
#[derive(Debug, Clone)]
pub struct Authentication<'a> {
    /// The service that the credential is for.
    pub relying_party: &'a RelyingParty,
    /// The challenge of this sign-in only.
    pub challenge: Challenge,
    /// Whether the authenticator must verify the user.
    pub user_verification: UserVerification,
    /// What says which account signs in.
    pub identified: Identified,
}

/// What says which account signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identified {
    /// The account was known before, as by its name and password.
    Before,
    /// The answer says it, by the user handle of a discoverable credential.
    ByAnswer,
}

/// The account that an answer is judged for.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The handle that its credentials were registered with.
    pub handle: &'a UserHandle,
    /// Its credentials, or those that the options allowed.
    pub credentials: &'a [Credential],
}

/// A verified sign-in. The caller stores the counter and the backup flags.
#[derive(Debug, Clone, PartialEq)]
pub struct Authenticated<'a> {
    /// The credential as it is stored, with the counter that must still be the stored one when it is replaced.
    pub credential: &'a Credential,
    /// The counter of this answer.
    pub counter: Counter,
    /// The backup flags of this answer.
    pub backup: Backup,
    /// Whether the authenticator verified the user, so that the passkey counts as two factors.
    pub user_verified: bool,
}

impl Authentication<'_> {
    /// The options as `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3 section 5.1.10). Without allowed
    /// credentials the browser offers discoverable ones, also as suggestions in a form. The timeout is a hint.
    pub fn options<'d>(
        &self,
        allowed: impl IntoIterator<Item = &'d Descriptor>,
        timeout: Duration,
    ) -> serde_json::Value {
        let allowed: Vec<_> = allowed.into_iter().map(Descriptor::json).collect();
        json!({
            "challenge": encode(self.challenge.as_bytes()),
            "timeout": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            "rpId": self.relying_party.id(),
            "allowCredentials": allowed,
            "userVerification": self.user_verification.name(),
        })
    }

    /// Judges the answer by the steps of WebAuthn Level 3 section 7.2. A counter that did not grow is a refusal, whose
    /// reason has both counters.
    pub fn verify<'c>(
        &self,
        response: &AuthenticationResponse,
        account: &Account<'c>,
    ) -> Result<Authenticated<'c>, Refusal> {
        let credential = self.identify(response, account)?;
        let hash =
            client_data::check(&response.client_data, Ceremony::Authentication, &self.challenge, self.relying_party)?;
        let data = AuthenticatorData::parse(&response.authenticator_data)?;
        data.check(self.relying_party, Presence::Required, self.user_verification)?;
        if data.attested.is_some() {
            return Err(Reason::MisplacedCredential.into());
        }
        if data.backup.is_eligible() != credential.backup.is_eligible() {
            return Err(Reason::BackupEligibilityChanged.into());
        }
        let signed = [&response.authenticator_data[..], &hash].concat();
        if !credential.public_key.accepts(&signed, &response.signature) {
            return Err(Reason::WrongSignature.into());
        }
        // Last, because only the credential's own authenticator may say that the counter did not grow.
        if !data.counter.follows(credential.counter) {
            return Err(Reason::CounterRegressed { stored: credential.counter, presented: data.counter }.into());
        }
        Ok(Authenticated { credential, counter: data.counter, backup: data.backup, user_verified: data.user_verified })
    }

    /// Finds the credential, and checks that it is the user's.
    fn identify<'c>(&self, response: &AuthenticationResponse, account: &Account<'c>) -> Result<&'c Credential, Reason> {
        match (&response.user_handle, self.identified) {
            (Some(handle), _) if handle != account.handle => return Err(Reason::OtherUser),
            (None, Identified::ByAnswer) => return Err(Reason::NoUserHandle),
            _ => {}
        }
        let mut credentials = account.credentials.iter();
        credentials.find(|credential| credential.descriptor.id == response.id).ok_or(Reason::UnknownCredential)
    }
}
