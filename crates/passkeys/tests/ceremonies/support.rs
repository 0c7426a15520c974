//! An authenticator with its browser, whose answers a test can bend before they are signed.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign_passkeys::{
    Account, Authenticated, Authentication, AuthenticationResponse, Challenge, Credential, Identified, Mediation,
    Reason, Registered, Registration, RegistrationResponse, RelyingParty, User, UserHandle, UserVerification,
};
use serde_json::{Value, json};

pub const TIMEOUT: Duration = Duration::from_secs(300);
pub const ORIGIN: &str = "https://example.org";

pub const UP: u8 = 1;
pub const UV: u8 = 1 << 2;
pub const BE: u8 = 1 << 3;
pub const BS: u8 = 1 << 4;
pub const AT: u8 = 1 << 6;
pub const ED: u8 = 1 << 7;

pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

pub fn relying_party() -> RelyingParty {
    RelyingParty::parse("example.org", [ORIGIN]).unwrap()
}

pub fn handle() -> UserHandle {
    UserHandle::parse(b"an account").unwrap()
}

pub enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Key {
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn ed_dsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().unwrap())
    }

    pub fn rs256() -> Self {
        Self::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// The COSE key, in the canonical order.
    pub fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21];
                [&head[..], &cbor_bytes(x), &[0x22], &cbor_bytes(y)].concat()
            }
            Self::EdDsa(key) => {
                let head = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21];
                [&head[..], &cbor_bytes(key.public_key().as_ref())].concat()
            }
            Self::Rs256(key) => {
                // The DER of `RSAPublicKey`: a head, the number n with a leading zero, and the number e.
                let der = key.public_key().as_ref();
                let (n, e) = (&der[9..9 + 256], &der[der.len() - 3..]);
                let head = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20];
                [&head[..], &cbor_bytes(n), &[0x21], &cbor_bytes(e)].concat()
            }
        }
    }
}

/// A byte string of less than 64 KiB.
pub fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let head = match length {
        0..24 => vec![0x40 | length as u8],
        24..256 => vec![0x58, length as u8],
        _ => [&[0x59][..], &length.to_be_bytes()].concat(),
    };
    [head, bytes.to_vec()].concat()
}

/// What an authenticator and its browser are about to say. The default is right.
pub struct Answer {
    pub client: Value,
    pub rp_id: &'static str,
    pub flags: u8,
    pub counter: u32,
    pub credential_id: Vec<u8>,
    pub cose: Vec<u8>,
    pub extensions: Vec<u8>,
    pub format: &'static str,
    /// The CBOR of `attStmt`.
    pub statement: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

pub struct Device {
    pub key: Key,
    pub credential_id: Vec<u8>,
}

impl Device {
    pub fn new(key: Key) -> Self {
        let credential_id = sha256(&key.cose());
        Self { key, credential_id }
    }

    fn answer(&self, kind: &str, options: &Value) -> Answer {
        Answer {
            client: json!({ "type": kind, "challenge": options["challenge"], "origin": ORIGIN, "crossOrigin": false }),
            rp_id: "example.org",
            flags: UP | UV | BE | BS,
            counter: 0,
            credential_id: self.credential_id.clone(),
            cose: self.key.cose(),
            extensions: Vec::new(),
            format: "none",
            statement: vec![0xa0],
            user_handle: None,
        }
    }

    /// The answer to registration options, as the browser's JSON.
    pub fn register(&self, options: &Value, bend: impl FnOnce(&mut Answer)) -> Value {
        let mut answer = self.answer("webauthn.create", options);
        answer.flags |= AT;
        bend(&mut answer);
        let object = attestation_object(answer.format, &answer.statement, &answer.authenticator_data());
        self.json(json!({
            "clientDataJSON": encode(answer.client.to_string().as_bytes()),
            "attestationObject": encode(&object),
            "transports": ["internal", "hybrid", "telepathy"],
        }))
    }

    /// The answer to authentication options, as the browser's JSON.
    pub fn sign_in(&self, options: &Value, bend: impl FnOnce(&mut Answer)) -> Value {
        let mut answer = self.answer("webauthn.get", options);
        answer.user_handle = Some(handle().as_bytes().to_vec());
        bend(&mut answer);
        let client = answer.client.to_string();
        let data = answer.authenticator_data();
        let signature = self.key.sign(&[&data[..], &sha256(client.as_bytes())].concat());
        self.json(json!({
            "clientDataJSON": encode(client.as_bytes()),
            "authenticatorData": encode(&data),
            "signature": encode(&signature),
            "userHandle": answer.user_handle.map(|handle| encode(&handle)),
        }))
    }

    fn json(&self, response: Value) -> Value {
        json!({
            "id": encode(&self.credential_id),
            "rawId": encode(&self.credential_id),
            "response": response,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "type": "public-key",
        })
    }
}

impl Answer {
    pub fn authenticator_data(&self) -> Vec<u8> {
        let mut data = sha256(self.rp_id.as_bytes());
        data.push(self.flags);
        data.extend(self.counter.to_be_bytes());
        if self.flags & AT != 0 {
            data.extend([9; 16]);
            data.extend(u16::try_from(self.credential_id.len()).unwrap().to_be_bytes());
            data.extend(&self.credential_id);
            data.extend(&self.cose);
        }
        data.extend(&self.extensions);
        data
    }
}

pub fn attestation_object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let format = [&[0x60 | u8::try_from(format.len()).unwrap()], format.as_bytes()].concat();
    [&b"\xa3\x63fmt"[..], &format, b"\x67attStmt", statement, b"\x68authData", &cbor_bytes(data)].concat()
}

/// A relying party's side of both ceremonies, for one account.
pub struct Site {
    pub relying_party: RelyingParty,
    pub challenge: Challenge,
    pub handle: UserHandle,
}

impl Site {
    pub fn new() -> Self {
        Self { relying_party: relying_party(), challenge: Challenge::generate().unwrap(), handle: handle() }
    }

    pub fn registration(&self) -> Registration<'_> {
        Registration {
            relying_party: &self.relying_party,
            challenge: self.challenge,
            user_verification: UserVerification::Required,
            mediation: Mediation::Asked,
        }
    }

    pub fn authentication(&self) -> Authentication<'_> {
        Authentication {
            relying_party: &self.relying_party,
            challenge: self.challenge,
            user_verification: UserVerification::Required,
            identified: Identified::ByAnswer,
        }
    }

    pub fn registration_options(&self) -> Value {
        let user = User { handle: &self.handle, name: "ann@example.org", display_name: "Ann" };
        self.registration().options(&user, [], TIMEOUT)
    }

    pub fn authentication_options(&self) -> Value {
        self.authentication().options([], TIMEOUT)
    }

    pub fn account<'a>(&'a self, credentials: &'a [Credential]) -> Account<'a> {
        Account { handle: &self.handle, credentials }
    }

    /// Registers a device as it should be, and returns its credential.
    pub fn registered(&self, device: &Device) -> Credential {
        let response = device.register(&self.registration_options(), |_| {});
        verify_registration(&self.registration(), &response).unwrap().credential
    }
}

pub fn verify_registration(ceremony: &Registration<'_>, response: &Value) -> Result<Registered, Reason> {
    let response = RegistrationResponse::parse(&response.to_string()).map_err(|refusal| refusal.reason())?;
    ceremony.verify(&response).map_err(|refusal| refusal.reason())
}

pub fn verify_sign_in<'c>(
    ceremony: &Authentication<'_>,
    response: &Value,
    account: &Account<'c>,
) -> Result<Authenticated<'c>, Reason> {
    let response = AuthenticationResponse::parse(&response.to_string()).map_err(|refusal| refusal.reason())?;
    ceremony.verify(&response, account).map_err(|refusal| refusal.reason())
}
