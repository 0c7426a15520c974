//! `countersign backup`: copies the database, and says what the copy holds.

use std::io;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, say};
use crate::config::Settings;
use crate::store::{self, Backup};

/// Copies the SQLite database of the settings to `file`, which must not exist. A signal stops the copy.
pub(crate) async fn backup(settings: &Settings, file: &Path) -> Result<(), CommandError> {
    // A signal stops the copy, and the unfinished file is removed.
    let stopped = async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok::<_, io::Error>(())
    };
    let database = settings.database_url()?;
    let Backup { source, counts, bytes } = tokio::select! {
        // The signals are polled first, so that no file is made before they are heard.
        biased;
        stopped = stopped => return Err(stopped.map_or_else(CommandError::from, |()| CommandError::Stopped)),
        done = store::backup(&database, file) => done?,
    };
    say(&format!("copied {} to {}", source.display(), file.display()))?;
    say(&format!("accounts     {}", counts.accounts))?;
    say(&format!("sessions     {}", counts.sessions))?;
    say(&format!("revocations  {}", counts.revocations))?;
    say(&format!("bytes        {bytes}"))?;
    for (suffix, does) in [("-secret", "signs tokens"), ("-master", "encrypts signing keys and second factors")] {
        let secret = store::beside(&source, suffix);
        if secret.exists() {
            say(&format!("The backup does not contain the secret that {does}: keep {} too.", secret.display()))?;
        }
    }
    Ok(())
}
