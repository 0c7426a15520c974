//! `countersign passwords …`: what an operator does with lists of passwords; and what new passwords of the command line are
//! judged by, which are the server's settings.

use std::io::{self, Write as _};
use std::path::Path;

use super::{CommandError, say};
use crate::accounts::PasswordRules;
use crate::breaches::{self, Breaches, Built, Fingerprint};
use crate::config::{PasswordsCommand, Settings};

/// Runs one command.
pub fn passwords(command: &PasswordsCommand) -> Result<(), CommandError> {
    match command {
        PasswordsCommand::BuildFilter { input, output, bits } => {
            let fingerprint = if bits == "8" { Fingerprint::Bits8 } else { Fingerprint::Bits16 };
            build_filter(input, output, fingerprint)
        }
    }
}

/// What `countersign account create` judges a password by.
pub(super) fn rules(settings: &Settings) -> Result<PasswordRules, CommandError> {
    let file = settings.passwords.breached_passwords_file.as_deref();
    let breaches = file.map(Breaches::open).transpose().map_err(CommandError::BreachedPasswordsFile)?;
    Ok(PasswordRules { policy: settings.passwords.policy()?, breaches })
}

fn build_filter(input: &Path, output: &Path, fingerprint: Fingerprint) -> Result<(), CommandError> {
    let mut terminal = Some(io::stderr()).filter(io::IsTerminal::is_terminal);
    let mut shown = None;
    let built = breaches::build(input, output, fingerprint, |read, all| {
        let percent = read.saturating_mul(100) / all.max(1);
        if let Some(terminal) = &mut terminal
            && shown.replace(percent) != Some(percent)
        {
            // It is only to look at.
            let _ = write!(terminal, "\r{percent:3} %");
        }
    });
    if let Some(terminal) = &mut terminal {
        let _ = write!(terminal, "\r     \r");
    }
    let Built { passwords, bytes } = built?;
    say(&format!("made {} of {}", output.display(), input.display()))?;
    say(&format!("passwords  {passwords}"))?;
    say(&format!("bytes      {bytes}"))?;
    let others = 1_u64 << fingerprint.bits();
    say(&format!("Of all other passwords, one in {others} is taken for one of them and refused."))?;
    say("Set BREACHED_PASSWORDS_FILE to it.")
}
