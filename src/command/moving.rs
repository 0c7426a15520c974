//! `countersign migrate-store`: copies a database, and says what to do next.

use secrecy::{ExposeSecret as _, SecretString};

use super::{CommandError, say};
use crate::store;

/// Copies everything from one database to another.
pub(crate) async fn migrate_store(from: &SecretString, to: &SecretString) -> Result<(), CommandError> {
    let from = from.expose_secret();
    let content = store::migrate(from, to.expose_secret()).await?;
    say("table           rows")?;
    for (table, rows) in content.rows {
        say(&format!("{table:<14}  {rows}"))?;
    }
    say(&format!("sha256          {}", content.digest))?;
    say("")?;
    say("All of it was read back from --to and is the same. Now set DATABASE_URL to that address.")?;
    let file = store::file(from)?;
    let secret = |suffix| file.as_ref().map(|file| store::beside(file, suffix)).filter(|secret| secret.exists());
    if let Some(path) = secret("-master") {
        say(&format!(
            "Signing keys and second factors are encrypted with the secret in {}: set MASTER_SECRET_FILE to a copy of that file.",
            path.display()
        ))?;
    }
    say(&match secret("-secret") {
        Some(path) => format!(
            "Tokens were signed with the secret in {}, unless JWT_SECRET was set: set JWT_SECRET_FILE to a copy of that \
             file, or everyone is signed out.",
            path.display()
        ),
        None => "Keep JWT_SECRET as it was, or everyone is signed out.".to_owned(),
    })
}
