//! The public keys of credentials: COSE keys (RFC 9052 section 7) of the algorithms that are offered. Separate because
//! it is the only part that calls the cryptographic library with keys.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};

use crate::cbor::{self, Map};
use crate::refusal::{Part, Reason, Refusal};

/// An algorithm of credentials (WebAuthn Level 3 section 5.8.5). The order is the one in which they are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, which every authenticator has.
    Es256,
    /// Ed25519, which some security keys prefer.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which is all that some TPMs have. Keys have 2,048 to 8,192 bits.
    Rs256,
}

impl Algorithm {
    /// Every algorithm, the preferred one first.
    pub const OFFERED: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The number in the registry of COSE algorithms.
    pub fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// The public key of a credential. A caller stores it as [`PublicKey::as_cose`].
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    cose: Vec<u8>,
    key: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a COSE key, which must have the parameters of its algorithm and no others.
    pub fn parse(cose: &[u8]) -> Result<Self, Refusal> {
        let map = cbor::whole_map(cose).ok_or(Reason::Malformed(Part::PublicKey))?;
        Ok(Self::read(&map, cose)?)
    }

    /// Takes over the key that was read from these bytes.
    pub(crate) fn read(map: &Map<'_>, cose: &[u8]) -> Result<Self, Reason> {
        let number = map.numbered(3).and_then(|value| value.integer()).ok_or(Reason::Malformed(Part::PublicKey))?;
        let algorithm = Algorithm::OFFERED.into_iter().find(|algorithm| algorithm.cose() == number);
        let algorithm = algorithm.ok_or(Reason::OtherAlgorithm)?;
        let key = parse_key(algorithm, map).ok_or(Reason::Malformed(Part::PublicKey))?;
        Ok(Self { algorithm, cose: cose.to_vec(), key })
    }

    /// The algorithm, which no answer can choose.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The COSE key, as the authenticator encoded it.
    pub fn as_cose(&self) -> &[u8] {
        &self.cose
    }

    /// Tells whether the private key made this signature. ES256 has signatures in DER.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

/// Reads the parameters of RFC 9053 section 7 and RFC 8230 section 4. The library checks that a point is on its curve.
fn parse_key(algorithm: Algorithm, map: &Map<'_>) -> Option<ParsedPublicKey> {
    let number = |label| map.numbered(label)?.integer();
    let bytes = |label| map.numbered(label)?.bytes();
    let is = |key_type, parameters| number(1) == Some(key_type) && map.len() == parameters;
    match algorithm {
        Algorithm::Es256 if is(2, 5) && number(-1) == Some(1) => {
            let (x, y): (&[u8; 32], &[u8; 32]) = (bytes(-2)?.try_into().ok()?, bytes(-3)?.try_into().ok()?);
            // 4 says that the point is not compressed.
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4][..], x, y].concat()).ok()
        }
        Algorithm::EdDsa if is(1, 4) && number(-1) == Some(6) => {
            let x: &[u8; 32] = bytes(-2)?.try_into().ok()?;
            ParsedPublicKey::new(&ED25519, x).ok()
        }
        Algorithm::Rs256 if is(3, 4) => {
            // The library measures a modulus only when it verifies. Every authenticator takes 65,537 as its exponent.
            let (n, e) = (bytes(-1)?, bytes(-2)?);
            let has_size = (2048..=8192).contains(&(n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?));
            if !has_size || e != [1, 0, 1] {
                return None;
            }
            let components = RsaPublicKeyComponents { n, e };
            components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
        }
        _ => None,
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.cose == other.cose
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
