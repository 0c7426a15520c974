//! Registering a credential: the options for the browser, and the steps of WebAuthn Level 3 section 7.1.

use std::time::Duration;

use serde_json::json;

use crate::authenticator_data::{AuthenticatorData, Presence};
use crate::cbor::{self, Map};
use crate::client_data::{self, Ceremony};
use crate::public_key::{Algorithm, PublicKey};
use crate::refusal::{Part, Reason, Refusal};
use crate::relying_party::RelyingParty;
use crate::response::RegistrationResponse;
use crate::values::{Challenge, Credential, Descriptor, UserHandle, UserVerification, encode};

/// The registration of one credential. The same values make the options and judge the answer.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// The service that the credential will be for.
    pub relying_party: &'a RelyingParty,
    /// The challenge of this registration only.
    pub challenge: Challenge,
    /// Whether the authenticator must verify the user.
    pub user_verification: UserVerification,
    /// How the browser asked its user.
    pub mediation: Mediation,
}

/// How a browser asks for a new credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mediation {
    /// The user asked for the credential, and must touch the authenticator.
    Asked,
    /// The browser may make a credential silently after a sign-in with its password manager (conditional create).
    Conditional,
}

/// The account of a new credential, as the authenticator will show it.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The handle by which a sign-in will find the account.
    pub handle: &'a UserHandle,
    /// The name that the user signs in with.
    pub name: &'a str,
    /// The name that the user is called by.
    pub display_name: &'a str,
}

/// A registration whose answer was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The credential to store. Its id must be new to the service.
    pub credential: Credential,
    /// Whether the authenticator verified the user.
    pub user_verified: bool,
    /// Whether the credential can be found without its id, if the client said so.
    pub discoverable: Option<bool>,
    /// The model of the authenticator, as it says itself: good for a name, and proof of nothing.
    pub aaguid: [u8; 16],
}

impl Registration<'_> {
    /// The options as `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 section 5.1.9). The browser makes no
    /// credential on an authenticator that has one of the excluded ones. The timeout is a hint.
    pub fn options<'d>(
        &self,
        user: &User<'_>,
        excluded: impl IntoIterator<Item = &'d Descriptor>,
        timeout: Duration,
    ) -> serde_json::Value {
        let id = self.relying_party.id();
        let algorithms = Algorithm::OFFERED.map(|algorithm| json!({ "type": "public-key", "alg": algorithm.cose() }));
        let excluded: Vec<_> = excluded.into_iter().map(Descriptor::json).collect();
        json!({
            // The name is required, and deprecated: no browser shows it.
            "rp": { "id": id, "name": id },
            "user": {
                "id": encode(user.handle.as_bytes()),
                "name": user.name,
                "displayName": user.display_name,
            },
            "challenge": encode(self.challenge.as_bytes()),
            "pubKeyCredParams": algorithms,
            "timeout": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            "excludeCredentials": excluded,
            "authenticatorSelection": {
                // An authenticator without room for resident keys is still good as a second factor.
                "residentKey": "preferred",
                "requireResidentKey": false,
                "userVerification": self.user_verification.name(),
            },
            "attestation": "none",
            "extensions": { "credProps": true },
        })
    }

    /// Judges the answer by the steps of WebAuthn Level 3 section 7.1. What remains for the caller is that the
    /// credential id must be new to all accounts.
    pub fn verify(&self, response: &RegistrationResponse) -> Result<Registered, Refusal> {
        let hash =
            client_data::check(&response.client_data, Ceremony::Registration, &self.challenge, self.relying_party)?;
        let malformed = Reason::Malformed(Part::AttestationObject);
        let object = cbor::whole_map(&response.attestation_object).ok_or(malformed)?;
        let format = object.named("fmt").and_then(|value| value.text()).ok_or(malformed)?;
        let statement = object.named("attStmt").and_then(|value| value.map()).ok_or(malformed)?;
        let bytes = object.named("authData").and_then(|value| value.bytes()).ok_or(malformed)?;
        let data = AuthenticatorData::parse(bytes)?;
        let presence = match self.mediation {
            Mediation::Asked => Presence::Required,
            Mediation::Conditional => Presence::Optional,
        };
        data.check(self.relying_party, presence, self.user_verification)?;
        let attested = data.attested.ok_or(Reason::MisplacedCredential)?;
        if attested.id != response.id {
            return Err(Reason::TwoCredentials.into());
        }
        check_attestation(format, statement, &attested.public_key, &[bytes, &hash].concat())?;
        Ok(Registered {
            credential: Credential {
                descriptor: Descriptor { id: attested.id, transports: response.transports.clone() },
                public_key: attested.public_key,
                counter: data.counter,
                backup: data.backup,
            },
            user_verified: data.user_verified,
            discoverable: response.discoverable,
            aaguid: attested.aaguid,
        })
    }
}

/// Judges the statements that a browser may pass on when none was asked for: none at all, and that of a credential
/// about itself (`packed` without certificates). Others tell the authenticator's model, which nobody asked for; the
/// specification lets a relying party take such a credential as one without attestation.
fn check_attestation(format: &str, statement: &Map<'_>, key: &PublicKey, signed: &[u8]) -> Result<(), Reason> {
    let holds = match format {
        "none" => statement.len() == 0,
        "packed" if statement.named("x5c").is_none() => {
            statement.named("alg").and_then(|value| value.integer()) == Some(key.algorithm().cose())
                && statement.named("sig").and_then(|value| value.bytes()).is_some_and(|sig| key.accepts(signed, sig))
        }
        _ => true,
    };
    if holds { Ok(()) } else { Err(Reason::FalseAttestation) }
}
