//! The published keys as verifiers read them: a set of JWKs (RFC 7517) and the metadata of the issuer (OpenID Connect
//! Discovery, RFC 8414). Both are made when the keys change, so that answering them costs nothing.
//!
//! Token libraries decide the form, as tried with some twenty of them: a set holds no key of another kind or use, RSA
//! and EC keys come before OKP, each key has `kid` and `alg`, and the metadata says only what is so.

use std::time::Duration;

use bytes::Bytes;
use countersign_guard::token::{Asymmetric, PublicKey};
use serde_json::{Value, json};

/// How long a reader may keep the published keys. After as long at most, a service that reads them from time to time
/// refuses the tokens of a revoked key.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(300);

/// The issuer as its metadata describes it.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    /// The `iss` of tokens. Every endpoint has it as its beginning.
    pub url: String,
    /// Whether services may ask about tokens, because they have credentials for it.
    pub introspects: bool,
}

/// The keys that verify tokens at present.
#[derive(Debug)]
pub(crate) struct PublishedKeys {
    keys: Vec<PublicKey>,
    jwks: Bytes,
    configuration: Option<Bytes>,
}

impl PublishedKeys {
    /// Publishes `keys`, the one that signs first. There is metadata if there is an issuer.
    pub(super) fn new(mut keys: Vec<PublicKey>, issuer: Option<&Issuer>) -> Self {
        // A stable sort: of each algorithm, the key that signs stays first.
        keys.sort_by_key(|key| key.algorithm() == Asymmetric::EdDsa);
        let jwks: Vec<_> = keys.iter().map(PublicKey::jwk).collect();
        let jwks = json!({ "keys": jwks }).to_string().into();
        let configuration = issuer.map(|issuer| configuration(issuer, &keys).to_string().into());
        Self { keys, jwks, configuration }
    }

    /// The keys: RSA and EC before OKP, and of each kind the one that signs first.
    pub(crate) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The key set as JSON, which is empty if tokens are signed with the secret.
    pub(crate) fn jwks(&self) -> Bytes {
        self.jwks.clone()
    }

    /// The metadata of the issuer as JSON, if tokens are signed with keys.
    pub(crate) fn configuration(&self) -> Option<Bytes> {
        self.configuration.clone()
    }
}

fn configuration(Issuer { url, introspects }: &Issuer, keys: &[PublicKey]) -> Value {
    let mut algorithms: Vec<_> = keys.iter().map(|key| key.algorithm().name()).collect();
    algorithms.dedup();
    let endpoint = |path| format!("{}{path}", url.trim_end_matches('/'));
    let mut metadata = json!({
        "issuer": url,
        "jwks_uri": endpoint("/.well-known/jwks.json"),
        "id_token_signing_alg_values_supported": algorithms,
    });
    if *introspects {
        for (name, path) in [("introspection", "/oauth2/introspect"), ("revocation", "/oauth2/revoke")] {
            metadata[format!("{name}_endpoint")] = endpoint(path).into();
            metadata[format!("{name}_endpoint_auth_methods_supported")] =
                json!(["client_secret_basic", "client_secret_post"]);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use countersign_guard::token::{Asymmetric, SigningKey};
    use serde_json::{Value, json};

    use super::{Issuer, PublishedKeys};

    #[test]
    fn the_set_has_rsa_and_ec_keys_first_and_the_metadata_says_where_it_is() {
        let keys = [Asymmetric::EdDsa, Asymmetric::Es256, Asymmetric::EdDsa, Asymmetric::Es256];
        let keys = keys.map(|algorithm| SigningKey::generate(algorithm).unwrap().0.public().clone());
        let ids = [1, 3, 0, 2].map(|at: usize| keys[at].id().to_owned());
        let mut issuer = Issuer { url: "https://a.example.com/auth/".to_owned(), introspects: false };
        let published = PublishedKeys::new(keys.to_vec(), Some(&issuer));
        let jwks: Value = serde_json::from_slice(&published.jwks()).unwrap();
        let listed: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        assert_eq!(listed, ids);
        for key in jwks["keys"].as_array().unwrap() {
            let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(["kid", "alg", "use", "kty", "crv", "x"].iter().all(|name| names.contains(name)), "{key}");
            assert!(!names.contains(&"d"), "{key}");
        }
        let metadata: Value = serde_json::from_slice(&published.configuration().unwrap()).unwrap();
        let expected = json!({
            "issuer": "https://a.example.com/auth/",
            "jwks_uri": "https://a.example.com/auth/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["ES256", "EdDSA"],
        });
        assert_eq!(metadata, expected);
        issuer.introspects = true;
        let published = PublishedKeys::new(keys.to_vec(), Some(&issuer));
        let metadata: Value = serde_json::from_slice(&published.configuration().unwrap()).unwrap();
        assert_eq!(metadata["introspection_endpoint"], "https://a.example.com/auth/oauth2/introspect");
        assert_eq!(metadata["revocation_endpoint"], "https://a.example.com/auth/oauth2/revoke");
        let none = PublishedKeys::new(Vec::new(), None);
        assert_eq!((&*none.jwks(), none.configuration()), (&b"{\"keys\":[]}"[..], None));
    }
}
