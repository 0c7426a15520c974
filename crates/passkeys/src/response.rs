//! The answers of browsers, as their `toJSON` writes them (WebAuthn Level 3 section 5.1.8). Separate from judging them:
//! a caller must know the credential and the user of an answer in order to find what to judge it with.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::refusal::{Part, Reason, Refusal};
use crate::values::{CredentialId, Transport, UserHandle, decode};

/// The longest JSON that is read, in bytes. The longest of real authenticators, with certificates of a TPM, are a
/// quarter of it.
pub const LONGEST_RESPONSE: usize = 32 * 1024;

/// The answer to the options of a registration. Nothing in it is verified.
#[derive(Debug, Clone)]
pub struct RegistrationResponse {
    pub(crate) id: CredentialId,
    pub(crate) client_data: Vec<u8>,
    pub(crate) attestation_object: Vec<u8>,
    pub(crate) transports: Vec<Transport>,
    pub(crate) discoverable: Option<bool>,
}

/// The answer to the options of a sign-in. Nothing in it is verified: whose it is, it only claims.
#[derive(Debug, Clone)]
pub struct AuthenticationResponse {
    pub(crate) id: CredentialId,
    pub(crate) client_data: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) user_handle: Option<UserHandle>,
}

impl RegistrationResponse {
    /// Reads the text of a `RegistrationResponseJSON`.
    pub fn parse(json: &str) -> Result<Self, Refusal> {
        let read: PublicKeyCredential<Attestation> = PublicKeyCredential::parse(json)?;
        let id = read.id()?;
        let transports = read.response.transports.iter().filter_map(|name| Transport::parse(name)).collect();
        Ok(Self {
            id,
            client_data: read.response.client_data_json.0,
            attestation_object: read.response.attestation_object.0,
            transports,
            discoverable: read.client_extension_results.cred_props.and_then(|properties| properties.rk),
        })
    }

    /// The credential that the answer claims to have made.
    pub fn credential_id(&self) -> &CredentialId {
        &self.id
    }
}

impl AuthenticationResponse {
    /// Reads the text of an `AuthenticationResponseJSON`.
    pub fn parse(json: &str) -> Result<Self, Refusal> {
        let read: PublicKeyCredential<Assertion> = PublicKeyCredential::parse(json)?;
        let id = read.id()?;
        let user_handle = match read.response.user_handle {
            // Security keys of U2F and some clients send an empty handle for none.
            None => None,
            Some(Bytes(handle)) if handle.is_empty() => None,
            Some(Bytes(handle)) => Some(UserHandle::parse(&handle).ok_or(Reason::Malformed(Part::Response))?),
        };
        Ok(Self {
            id,
            client_data: read.response.client_data_json.0,
            authenticator_data: read.response.authenticator_data.0,
            signature: read.response.signature.0,
            user_handle,
        })
    }

    /// The credential that the answer claims to be of.
    pub fn credential_id(&self) -> &CredentialId {
        &self.id
    }

    /// The account that the answer claims to be of, if it says so. Discoverable credentials always do.
    pub fn user_handle(&self) -> Option<&UserHandle> {
        self.user_handle.as_ref()
    }
}

/// The members that both answers have. Other members, such as `publicKey`, repeat what the signed ones say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyCredential<R> {
    id: Bytes,
    raw_id: Bytes,
    r#type: String,
    response: R,
    #[serde(default)]
    client_extension_results: Extensions,
}

#[derive(Deserialize)]
struct Attestation {
    #[serde(rename = "clientDataJSON")]
    client_data_json: Bytes,
    #[serde(rename = "attestationObject")]
    attestation_object: Bytes,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion {
    #[serde(rename = "clientDataJSON")]
    client_data_json: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
    user_handle: Option<Bytes>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    cred_props: Option<CredentialProperties>,
}

/// The output of the extension `credProps` (WebAuthn Level 3 section 10.1.3).
#[derive(Deserialize)]
struct CredentialProperties {
    rk: Option<bool>,
}

/// Bytes in base64url, without padding.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).map(Self).ok_or_else(|| D::Error::custom("not base64url"))
    }
}

impl<R: for<'de> Deserialize<'de>> PublicKeyCredential<R> {
    fn parse(json: &str) -> Result<Self, Reason> {
        if json.len() > LONGEST_RESPONSE {
            return Err(Reason::TooLong);
        }
        let read: Self = serde_json::from_str(json).map_err(|_| Reason::Malformed(Part::Response))?;
        if read.r#type == "public-key" { Ok(read) } else { Err(Reason::OtherCredentialType) }
    }

    fn id(&self) -> Result<CredentialId, Reason> {
        if self.id.0 != self.raw_id.0 {
            return Err(Reason::TwoCredentials);
        }
        CredentialId::parse(&self.id.0).ok_or(Reason::Malformed(Part::Response))
    }
}
