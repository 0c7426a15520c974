//! `countersign keys …`: lists, rotates and revokes the keys of tokens. A running server hears of it within a second,
//! and makes the keys that are missing.

use super::{CommandError, operator, output};
use crate::config::{KeysCommand, Printed, Settings};
use crate::domain::KeyId;

/// Works with the keys in the database, which must exist.
pub(crate) async fn keys(settings: &Settings, printed: Printed<KeysCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        KeysCommand::List => operator
            .signing_keys()
            .await?
            .iter()
            .try_for_each(|key| output.print(|| output::key_line(key), || output::key(key))),
        KeysCommand::Rotate { now } => {
            let lifetime = settings.username_token_lifetime.max(settings.email_token_lifetime);
            let rotation = operator.rotate_keys(lifetime, now).await.map_err(CommandError::Keys)?;
            operator.settle().await?;
            let (id, from) = (rotation.id, rotation.planned_at.map(output::timestamp));
            let line = match &from {
                None => format!("{id} signs from now on"),
                Some(from) => format!("{id} signs from {from} on, if a server is running; --now does not wait"),
            };
            output.print(|| line, || serde_json::json!({ "id": id.to_string(), "signs_from": from }))
        }
        KeysCommand::Revoke { kid } => {
            let id = KeyId::parse(&kid).ok_or_else(|| CommandError::NoKey(kid.clone()))?;
            operator.revoke_key(id).await.map_err(|error| CommandError::of_key(kid, error))?;
            operator.settle().await?;
            output.print(|| format!("revoked {id}"), || serde_json::json!({ "id": id.to_string(), "revoked": true }))
        }
    })
    .await
}
