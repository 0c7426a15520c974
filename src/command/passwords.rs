//! `countersign passwords …`: works with lists of breached passwords. It also reads the server's rules for new
//! passwords, which commands apply too.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, say};
use crate::accounts::PasswordRules;
use crate::breaches::{self, Breaches, Built, Fingerprint};
use crate::config::{PasswordsCommand, Settings};

/// Makes files of breached passwords. It needs neither settings nor a database.
pub(crate) async fn passwords(command: PasswordsCommand) -> Result<(), CommandError> {
    match command {
        PasswordsCommand::BuildFilter { input, output, bits } => {
            let fingerprint = if bits == "8" { Fingerprint::Bits8 } else { Fingerprint::Bits16 };
            build_filter(input, output, fingerprint).await
        }
    }
}

/// Returns the rules that `countersign account create` applies to a password.
pub(super) fn rules(settings: &Settings) -> Result<PasswordRules, CommandError> {
    let file = settings.passwords.breached_passwords_file.as_deref();
    let breaches = file.map(Breaches::open).transpose().map_err(CommandError::BreachedPasswordsFile)?;
    Ok(PasswordRules { policy: settings.passwords.policy()?, breaches })
}

async fn build_filter(input: PathBuf, output: PathBuf, fingerprint: Fingerprint) -> Result<(), CommandError> {
    let said = format!("made {} of {}", output.display(), input.display());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let building = tokio::task::spawn_blocking(move || {
        let mut shown = Progress { terminal: Some(io::stderr()).filter(io::IsTerminal::is_terminal), percent: None };
        breaches::build(&input, &output, fingerprint, |read, all| {
            shown.show(read.saturating_mul(100) / all.max(1));
            if asked.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    tokio::pin!(building);
    let built = tokio::select! {
        built = &mut building => built,
        // The work is waited for, so that it removes its unfinished file.
        _ = async { tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} } } => {
            stop.store(true, Ordering::Relaxed);
            building.await
        }
    };
    let Built { passwords, bytes } = built.map_err(io::Error::other)??;
    say(&said)?;
    say(&format!("passwords  {passwords}"))?;
    say(&format!("bytes      {bytes}"))?;
    let others = 1_u64 << fingerprint.bits();
    say(&format!("The filter also refuses one in {others} of all other passwords."))?;
    say("Set BREACHED_PASSWORDS_FILE to the filter.")
}

/// Shows the progress on a terminal. Errors of writing there are ignored.
struct Progress {
    terminal: Option<io::Stderr>,
    percent: Option<u64>,
}

impl Progress {
    fn show(&mut self, percent: u64) {
        if let Some(terminal) = &mut self.terminal
            && self.percent.replace(percent) != Some(percent)
        {
            let _ = write!(terminal, "\r{percent:3} %");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            let _ = write!(terminal, "\r     \r");
        }
    }
}
