//! `countersign completions …`: prints a completion script.

use std::io::{self, Write as _};

use clap_complete::Shell;

use super::CommandError;
use crate::config::Cli;

/// Prints a script that completes commands and flags in `shell`.
pub(crate) fn completions(shell: Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::tailored(), "countersign", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
