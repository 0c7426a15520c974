//! The keys of asymmetric algorithms. A [`SigningKey`] mints tokens. A service that has its [`PublicKey`] can verify
//! them, and cannot mint any. Separate from `keyring`, which decides which keys count.
//!
//! `jsonwebtoken` reads keys and writes JWKs (RFC 7517) and thumbprints (RFC 7638). Its signatures are those of
//! `aws-lc-rs`, which is called here with keys that are parsed once: `jsonwebtoken` parses the key for each signature.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};

/// An asymmetric algorithm that tokens are signed with (RFC 7518 section 3, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asymmetric {
    /// ECDSA on P-256 with SHA-256. Every token library that was tried verifies it.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, and keys of 2,048 to 8,192 bits.
    Rs256,
    /// Ed25519. Some libraries for Java, JavaScript and Python do not know it.
    EdDsa,
}

/// Why a text is no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not the PEM of a private key of the algorithm.
    #[error("is not the PEM of a private key for {0} (PKCS#8, `BEGIN PRIVATE KEY`)")]
    NotAKey(Asymmetric),
    /// The key is too short, or damaged.
    #[error("cannot sign with {0}: the key is damaged, or it is an RSA key of less than 2,048 bits")]
    Unusable(Asymmetric),
}

/// A key that signs tokens. `Debug` shows its id only.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A key that verifies tokens. A clone is cheap: it shares the key.
#[derive(Clone)]
pub struct PublicKey(Arc<PublicParts>);

struct PublicParts {
    algorithm: Asymmetric,
    id: String,
    jwk: Jwk,
    key: ParsedPublicKey,
}

impl Asymmetric {
    /// The name in the header of a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The name of `jsonwebtoken`.
    fn known_as(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// Reads the name in a header.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Es256, Self::Rs256, Self::EdDsa].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Asymmetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SigningKey {
    /// Makes a new key, and returns it with its PKCS#8 form, from which [`Self::from_pkcs8`] makes it again. An RSA key
    /// has 2,048 bits.
    pub fn generate(algorithm: Asymmetric) -> Result<(Self, Vec<u8>), KeyError> {
        let unusable = KeyError::Unusable(algorithm);
        let random = SystemRandom::new();
        let pkcs8 = match algorithm {
            Asymmetric::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map(|document| document.as_ref().to_vec()),
            Asymmetric::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&random).map(|document| document.as_ref().to_vec()),
            Asymmetric::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| {
                let pkcs8 = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)?;
                Ok(pkcs8.as_ref().to_vec())
            }),
        }
        .map_err(|_| unusable)?;
        Ok((Self::from_pkcs8(algorithm, &pkcs8)?, pkcs8))
    }

    /// Reads a private key in the PEM form of PKCS#8; of RSA also of PKCS#1.
    #[cfg(feature = "pem")]
    pub fn from_pem(algorithm: Asymmetric, pem: &str) -> Result<Self, KeyError> {
        let read = match algorithm {
            Asymmetric::Es256 => EncodingKey::from_ec_pem,
            Asymmetric::Rs256 => EncodingKey::from_rsa_pem,
            Asymmetric::EdDsa => EncodingKey::from_ed_pem,
        };
        // `jsonwebtoken` also takes the key of a public label for RSA.
        let key = Some(pem.trim()).filter(|pem| pem.contains("PRIVATE KEY-----"));
        let key = key.and_then(|pem| read(pem.as_bytes()).ok()).ok_or(KeyError::NotAKey(algorithm))?;
        Self::new(algorithm, &key)
    }

    /// Reads a private key in the DER form of PKCS#8.
    pub fn from_pkcs8(algorithm: Asymmetric, der: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm {
            Asymmetric::Es256 => EncodingKey::from_ec_der(der),
            Asymmetric::Rs256 => EncodingKey::from_rsa_der(der),
            Asymmetric::EdDsa => EncodingKey::from_ed_der(der),
        };
        Self::new(algorithm, &key)
    }

    fn new(algorithm: Asymmetric, key: &EncodingKey) -> Result<Self, KeyError> {
        let der = key.as_bytes();
        let pair = match algorithm {
            Asymmetric::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Es256),
            Asymmetric::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::EdDsa),
            Asymmetric::Rs256 => RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).map(Pair::Rs256),
        }
        .map_err(|_| KeyError::Unusable(algorithm))?;
        let public = match &pair {
            Pair::Es256(pair) => PublicKey::new(algorithm, pair.public_key().as_ref()),
            Pair::EdDsa(pair) => PublicKey::new(algorithm, pair.public_key().as_ref()),
            Pair::Rs256(pair) => PublicKey::new(algorithm, pair.public_key().as_ref()),
        };
        Ok(Self { pair, public: public.ok_or(KeyError::Unusable(algorithm))? })
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. `None` if the system has no random bytes, which ECDSA needs.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl PublicKey {
    /// Makes it from the public part of a key pair, in the form of `aws-lc-rs`.
    fn new(algorithm: Asymmetric, bytes: &[u8]) -> Option<Self> {
        let key = match algorithm {
            Asymmetric::Es256 => DecodingKey::from_ec_der(bytes),
            Asymmetric::Rs256 => DecodingKey::from_rsa_der(bytes),
            Asymmetric::EdDsa => DecodingKey::from_ed_der(bytes),
        };
        Self::of(algorithm, Jwk::from_decoding_key(&key, Some(algorithm.known_as())).ok()?)
    }

    /// Reads a key of a set (RFC 7517). `None` if it is of another kind, or cannot verify a token. The id is always the
    /// thumbprint, whatever the set calls the key.
    pub fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            // `jsonwebtoken` takes the point of any curve.
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Asymmetric::Es256,
            AlgorithmParameters::RSA(_) => Asymmetric::Rs256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Asymmetric::EdDsa,
            _ => return None,
        };
        let stated = jwk.common.key_algorithm.as_ref();
        stated.is_none_or(|stated| *stated == algorithm.known_as().into()).then(|| Self::of(algorithm, jwk.clone()))?
    }

    fn of(algorithm: Asymmetric, jwk: Jwk) -> Option<Self> {
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let key = match (algorithm, key.kind()) {
            (Asymmetric::Es256, _) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.try_get_as_bytes().ok()?),
            (Asymmetric::EdDsa, _) => ParsedPublicKey::new(&ED25519, key.try_get_as_bytes().ok()?),
            (Asymmetric::Rs256, jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, e }) => {
                return RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                    .ok()
                    .and_then(|key| Self::with(algorithm, jwk.clone(), key));
            }
            (Asymmetric::Rs256, _) => return None,
        };
        Self::with(algorithm, jwk, key.ok()?)
    }

    fn with(algorithm: Asymmetric, jwk: Jwk, key: ParsedPublicKey) -> Option<Self> {
        let id = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        let mut jwk = Jwk { algorithm: jwk.algorithm, common: Default::default() };
        jwk.common.key_id = Some(id.clone());
        jwk.common.key_algorithm = Some(algorithm.known_as().into());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self(Arc::new(PublicParts { algorithm, id, jwk, key })))
    }

    /// The algorithm, which no token can choose.
    pub fn algorithm(&self) -> Asymmetric {
        self.0.algorithm
    }

    /// The thumbprint of the key (RFC 7638), which tokens have as `kid`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The key as JSON (RFC 7517): with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> &Jwk {
        &self.0.jwk
    }

    /// Tells whether the private key made this signature.
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.algorithm, self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{DecodingKey, Header, Validation};
    use serde_json::{Value, json};

    #[cfg(feature = "pem")]
    use super::KeyError;
    use super::{Asymmetric, PublicKey, SigningKey};

    const ALL: [Asymmetric; 3] = [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa];

    #[test]
    fn what_a_key_signs_its_public_key_accepts_and_no_other_one() {
        let [one, other] = [(); 2].map(|()| ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap().0));
        for (at, key) in one.iter().enumerate() {
            let signature = key.sign(b"message").unwrap();
            let public = PublicKey::from_jwk(key.public().jwk()).unwrap();
            assert_eq!((public.id(), public.algorithm()), (key.public().id(), ALL[at]));
            assert!(public.accepts(b"message", &signature) && !public.accepts(b"massage", &signature));
            let mut bent = signature.clone();
            bent[7] ^= 1;
            assert!(!public.accepts(b"message", &bent) && !public.accepts(b"message", &[]));
            let others = one.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, key)| key).chain(&other);
            assert!(others.into_iter().all(|key| !key.public().accepts(b"message", &signature)));
        }
    }

    #[test]
    fn the_library_verifies_our_signatures_with_our_jwk() {
        for algorithm in ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
            assert_eq!(again.public().id(), key.public().id());
            let jwk = serde_json::to_value(key.public().jwk()).unwrap();
            assert_eq!(
                (&jwk["alg"], &jwk["use"], &jwk["kid"]),
                (&json!(algorithm.name()), &json!("sig"), &json!(key.public().id()))
            );
            let header = Header { kid: Some(key.public().id().to_owned()), ..Header::new(algorithm.known_as()) };
            use base64::Engine as _;
            let encode = |value: Vec<u8>| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value);
            let message =
                [serde_json::to_vec(&header).unwrap(), br#"{"exp":4102444800}"#.to_vec()].map(encode).join(".");
            let token = format!("{message}.{}", encode(key.sign(message.as_bytes()).unwrap()));
            let jwk: Jwk = serde_json::from_value(jwk).unwrap();
            let validation = Validation::new(algorithm.known_as());
            jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
        }
    }

    #[cfg(feature = "pem")]
    #[test]
    fn a_text_that_is_no_key_of_the_algorithm_is_refused() {
        let pem = |label: &str, der: &[u8]| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
        };
        for algorithm in ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
            let text = pem("PRIVATE KEY", &pkcs8);
            assert_eq!(SigningKey::from_pem(algorithm, &text).unwrap().public().id(), key.public().id());
            for other in ALL.into_iter().filter(|other| *other != algorithm) {
                assert_eq!(SigningKey::from_pem(other, &text).unwrap_err(), KeyError::NotAKey(other));
            }
            for bad in ["", "hello", &pem("PRIVATE KEY", &pkcs8[..20]), &pem("PUBLIC KEY", &pkcs8)] {
                assert_eq!(SigningKey::from_pem(algorithm, bad).unwrap_err(), KeyError::NotAKey(algorithm), "{bad}");
            }
        }
    }

    #[test]
    fn a_key_of_another_kind_or_for_another_use_verifies_nothing() {
        let (key, _) = SigningKey::generate(Asymmetric::Es256).unwrap();
        let jwk = |name: &str, value: Value| {
            let mut jwk = serde_json::to_value(key.public().jwk()).unwrap();
            jwk[name] = value;
            serde_json::from_value::<Jwk>(jwk).ok().and_then(|jwk| PublicKey::from_jwk(&jwk))
        };
        assert!(jwk("kid", json!("another")).is_some_and(|public| public.id() == key.public().id()));
        for (name, value) in
            [("use", json!("enc")), ("alg", json!("ES384")), ("crv", json!("P-384")), ("x", json!("AA"))]
        {
            assert!(jwk(name, value.clone()).is_none(), "{name} {value}");
        }
        let secret = serde_json::from_value::<Jwk>(json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" })).unwrap();
        assert!(PublicKey::from_jwk(&secret).is_none());
    }
}
