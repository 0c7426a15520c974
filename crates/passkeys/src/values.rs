//! The values of a ceremony and of a stored credential, each of which can only be made right.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::public_key::PublicKey;

/// Base64url without padding (RFC 4648 section 5), the only encoding of bytes in WebAuthn's JSON.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`encode`], which takes no other spelling of the same bytes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Random bytes that make an answer fresh. The caller remembers them for the time of a ceremony, and takes an answer
/// to them once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Makes a new challenge from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Makes the challenge again that the caller remembers, as from a sealed ticket.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to remember until the answer comes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The id of a credential: 1 to 1,023 bytes, which the authenticator chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialId(Vec<u8>);

impl CredentialId {
    /// Takes 1 to 1,023 bytes (WebAuthn Level 3 section 6.5.1), and `None` otherwise.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        (1..=1023).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// The bytes, as a store has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Prints base64url, as the field `id` of WebAuthn's JSON.
impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

/// What an authenticator knows an account by: 1 to 64 bytes that tell nothing about the user, such as a random id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHandle(Vec<u8>);

impl UserHandle {
    /// Takes 1 to 64 bytes (WebAuthn Level 3 section 5.4.3), and `None` otherwise.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        (1..=64).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// The bytes by which the account is found.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The number of signatures that an authenticator has made, or zero if it does not count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

impl Counter {
    /// Takes the number from the store or from authenticator data.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, as a store has it.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Tells whether an answer with this counter can come after one with the other (WebAuthn Level 3 section 7.2, the
    /// step about `signCount`): it is greater, or the authenticator never counted.
    pub(crate) fn follows(self, stored: Self) -> bool {
        self.0 > stored.0 || (self.0, stored.0) == (0, 0)
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a credential can leave its authenticator: the flags BE and BS, of which three of four pairs exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// The credential stays on its device, for ever.
    DeviceBound,
    /// The credential can be backed up, and is not.
    Eligible,
    /// The credential is backed up, as those of password managers are.
    BackedUp,
}

impl Backup {
    /// Reads both flags. `None` if the credential is backed up and cannot be.
    pub fn parse(eligible: bool, backed_up: bool) -> Option<Self> {
        match (eligible, backed_up) {
            (false, false) => Some(Self::DeviceBound),
            (true, false) => Some(Self::Eligible),
            (true, true) => Some(Self::BackedUp),
            (false, true) => None,
        }
    }

    /// The flag BE, which never changes.
    pub fn is_eligible(self) -> bool {
        self != Self::DeviceBound
    }

    /// The flag BS, which may change with each answer.
    pub fn is_backed_up(self) -> bool {
        self == Self::BackedUp
    }
}

/// Whether the authenticator must verify the user, by a PIN or a biometric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// An answer without it is refused, so that the passkey alone counts as two factors.
    Required,
    /// The authenticator is asked for it. An answer says whether it happened.
    Preferred,
}

impl UserVerification {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Preferred => "preferred",
        }
    }
}

/// How a client reaches an authenticator (WebAuthn Level 3 section 5.8.4). It is a hint for the next sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A security key in a USB port.
    Usb,
    /// A security key near the device.
    Nfc,
    /// A security key over Bluetooth.
    Ble,
    /// A smart card in a reader.
    SmartCard,
    /// A phone, found by a QR code.
    Hybrid,
    /// The device that the client runs on.
    Internal,
}

impl Transport {
    const ALL: [Self; 6] = [Self::Usb, Self::Nfc, Self::Ble, Self::SmartCard, Self::Hybrid, Self::Internal];

    /// The name in WebAuthn's JSON, and in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usb => "usb",
            Self::Nfc => "nfc",
            Self::Ble => "ble",
            Self::SmartCard => "smart-card",
            Self::Hybrid => "hybrid",
            Self::Internal => "internal",
        }
    }

    /// Reads a name. `None` if it is none of WebAuthn Level 3, which a caller skips.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }
}

/// What options say about a credential: enough to find it, and nothing to verify it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The id, by which an authenticator finds the credential.
    pub id: CredentialId,
    /// The ways to its authenticator, as far as they are known.
    pub transports: Vec<Transport>,
}

impl Descriptor {
    /// The form `PublicKeyCredentialDescriptorJSON` of WebAuthn Level 3 section 5.8.3.
    pub(crate) fn json(&self) -> serde_json::Value {
        let transports: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
        serde_json::json!({ "type": "public-key", "id": self.id.to_string(), "transports": transports })
    }
}

/// A registered credential, as an account keeps it (the credential record of WebAuthn Level 3 section 4).
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// The id and the transports.
    pub descriptor: Descriptor,
    /// The key that its answers are verified with.
    pub public_key: PublicKey,
    /// The counter of its latest accepted answer.
    pub counter: Counter,
    /// The backup flags of its latest accepted answer.
    pub backup: Backup,
}
