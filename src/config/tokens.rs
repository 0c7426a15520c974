//! The settings of what signs tokens. Separate because they are one decision, which most deployments leave at its
//! default: the secret.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_guard::token::Asymmetric;
use url::Url;

use super::{Settings, duration};

/// The shortest time that a key signs. The next key must be published for an hour before.
const SHORTEST_ROTATION: Duration = Duration::from_secs(2 * 3_600);

/// What tokens are signed with, and what they say about it.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenSettings {
    /// The algorithm that signs tokens: HS256 with JWT_SECRET, or ES256, RS256 or EdDSA with a private key, so that
    /// other services verify tokens with public keys and can mint none
    #[arg(long, env, global = true, default_value = "HS256", value_parser = algorithm)]
    pub token_algorithm: TokenAlgorithm,

    /// The URL of this service in the claim iss of tokens, which their verifiers are configured with; not with HS256
    /// [default: PUBLIC_URL]
    #[arg(long, env, global = true, value_parser = issuer)]
    pub issuer: Option<String>,

    /// The claim aud of tokens; not with HS256 [default: none]
    #[arg(long, env, global = true, value_parser = audience)]
    pub token_audience: Option<String>,

    /// A file with the private key that signs tokens, in PEM form (PKCS#8), the same on every replica; not with HS256
    /// [default: keys that the server makes and replaces]
    #[arg(long, env, global = true)]
    pub signing_key_file: Option<PathBuf>,

    /// How long a signing key is used before the next one takes its place, at least 2h; off means until somebody asks;
    /// always off with SIGNING_KEY_FILE
    #[arg(long, env, global = true, default_value = "90d", value_parser = rotation)]
    pub key_rotation: KeyRotation,

    /// A file with the secret that encrypts signing keys and second factors in the database, 32 bytes or more; required
    /// for them with PostgreSQL, the same on every replica; further lines are earlier secrets [default: generated once
    /// and kept beside the SQLite file]
    #[arg(long, env, global = true)]
    pub master_secret_file: Option<PathBuf>,
}

/// The algorithm of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenAlgorithm {
    /// HMAC with the secret.
    Hs256,
    /// A signature that a public key verifies.
    Asymmetric(Asymmetric),
}

/// How long a key signs; `None` if it is replaced only when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyRotation(pub Option<Duration>);

/// Settings of what signs tokens that do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenSettingsError {
    /// Tokens that verifiers could not tell from those of another service.
    #[error(
        "TOKEN_ALGORITHM is not HS256, so tokens name their issuer: set ISSUER, or PUBLIC_URL, to the address by which other \
         services reach this one, as in https://auth.example.com"
    )]
    NoIssuer,
    /// A key file beside the algorithm of the secret.
    #[error(
        "SIGNING_KEY_FILE is set, and TOKEN_ALGORITHM is HS256, which signs with JWT_SECRET: set TOKEN_ALGORITHM to that of \
         the key (ES256, RS256 or EdDSA), or leave SIGNING_KEY_FILE out"
    )]
    KeyOfSecret,
}

impl Settings {
    /// The claim `iss` of tokens; `None` with HS256, whose tokens have none.
    pub(crate) fn issuer(&self) -> Result<Option<&str>, TokenSettingsError> {
        let TokenSettings { token_algorithm, issuer, signing_key_file, .. } = &self.tokens;
        match token_algorithm {
            TokenAlgorithm::Hs256 if signing_key_file.is_some() => Err(TokenSettingsError::KeyOfSecret),
            TokenAlgorithm::Hs256 => Ok(None),
            TokenAlgorithm::Asymmetric(_) => {
                let public_url = || self.mail.public_url.as_ref().map(|url| url.as_str());
                issuer.as_deref().or_else(public_url).map(Some).ok_or(TokenSettingsError::NoIssuer)
            }
        }
    }
}

fn algorithm(text: &str) -> Result<TokenAlgorithm, &'static str> {
    match text {
        "HS256" => Ok(TokenAlgorithm::Hs256),
        "ES256" => Ok(TokenAlgorithm::Asymmetric(Asymmetric::Es256)),
        "RS256" => Ok(TokenAlgorithm::Asymmetric(Asymmetric::Rs256)),
        "EdDSA" => Ok(TokenAlgorithm::Asymmetric(Asymmetric::EdDsa)),
        _ => Err("write HS256, ES256, RS256 or EdDSA"),
    }
}

/// Checks the URL, and keeps its spelling: verifiers compare it byte by byte with what they were told.
fn issuer(text: &str) -> Result<String, &'static str> {
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let is_one = text.bytes().all(|byte| byte.is_ascii_graphic()) && Url::parse(text).is_ok_and(|url| is_plain(&url));
    is_one.then(|| text.to_owned()).ok_or("write the address of this service, as in https://auth.example.com")
}

fn audience(text: &str) -> Result<String, &'static str> {
    let is_one = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    is_one.then(|| text.to_owned()).ok_or("write one name of at most 255 bytes, as in https://api.example.com")
}

fn rotation(text: &str) -> Result<KeyRotation, &'static str> {
    if text == "off" {
        return Ok(KeyRotation(None));
    }
    let rotation = duration(text)?;
    let is_long_enough = rotation >= SHORTEST_ROTATION;
    is_long_enough.then_some(KeyRotation(Some(rotation))).ok_or("a key signs for at least 2h: write 2h or more, or off")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{KeyRotation, algorithm, audience, issuer, rotation};

    #[test]
    fn an_issuer_is_a_plain_url_and_keeps_its_spelling() {
        for text in ["https://auth.example.com", "https://Auth.example.com/a/b/", "http://127.0.0.1:3008"] {
            assert_eq!(issuer(text).as_deref(), Ok(text));
        }
        for bad in [
            "",
            "auth.example.com",
            "https://",
            "ftp://a.b",
            "https://a.b?c",
            "https://a.b#c",
            "https://u@a.b",
            "https://a b",
            " https://a.b",
            "https://a.b\n",
        ] {
            assert!(issuer(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn algorithms_rotations_and_audiences_have_one_form() {
        for bad in ["", "hs256", "Ed25519", "none", "RS512", "ES256 "] {
            assert!(algorithm(bad).is_err(), "{bad:?}");
        }
        assert_eq!(rotation("off"), Ok(KeyRotation(None)));
        assert_eq!(rotation("2h"), Ok(KeyRotation(Some(Duration::from_secs(7_200)))));
        for bad in ["", "0", "1h", "119m", "Off", "never"] {
            assert!(rotation(bad).is_err(), "{bad:?}");
        }
        assert!(audience("orders").is_ok() && audience("").is_err() && audience("a\tb").is_err());
    }
}
