//! `countersign.v1.KeyService`: the public keys, from memory.

use std::sync::Arc;

use countersign_guard::token::PublicKey;
use serde_json::Value;
use tonic::{Request, Response, Status};

use super::status;
use crate::keys::{MAX_AGE, TokenKeys};
use crate::pb;
use crate::pb::key_service_server::KeyService;

pub(super) struct KeyRpcs {
    keys: Arc<TokenKeys>,
}

impl KeyRpcs {
    pub(super) fn new(keys: Arc<TokenKeys>) -> Self {
        Self { keys }
    }
}

#[tonic::async_trait]
impl KeyService for KeyRpcs {
    async fn list_keys(&self, _: Request<pb::ListKeysRequest>) -> Result<Response<pb::ListKeysResponse>, Status> {
        let keys = self.keys.published().keys().iter().map(json_web_key).collect::<Result<_, _>>();
        let keys = keys.map_err(|error| status::internal(error.into()))?;
        Ok(Response::new(pb::ListKeysResponse { keys, max_age: MAX_AGE.try_into().ok() }))
    }
}

/// The key with the fields of its JSON, so that both forms say the same.
fn json_web_key(key: &PublicKey) -> Result<pb::JsonWebKey, serde_json::Error> {
    let jwk = serde_json::to_value(key.jwk())?;
    let optional = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
    let field = |name| optional(name).unwrap_or_default();
    Ok(pb::JsonWebKey {
        kty: field("kty"),
        kid: field("kid"),
        alg: field("alg"),
        r#use: field("use"),
        crv: optional("crv"),
        x: optional("x"),
        y: optional("y"),
        n: optional("n"),
        e: optional("e"),
    })
}
