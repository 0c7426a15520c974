//! Reads the command line together with the file of `--env-file`. Separate because clap knows flags and variables and
//! no such file: its settings are handed to clap as flags, so that they are parsed and compared as all others.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use super::env_file::{EnvFile, EnvFileError};
use super::{Cli, names};

/// Why the arguments cannot be used.
#[derive(Debug)]
pub enum ArgumentsError {
    /// What clap says, which includes the answers to `--help` and `--version`.
    Clap(clap::Error),
    /// The file of `--env-file` is wrong.
    EnvFile(EnvFileError),
}

impl Cli {
    /// Reads the arguments of a process, the first of which is its name. A flag wins over a variable of the
    /// environment, and both win over the file of `--env-file`.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentsError> {
        let mut arguments: Vec<_> = arguments.into_iter().collect();
        let (matches, cli) = parse(&arguments).map_err(ArgumentsError::Clap)?;
        let Some(path) = &cli.settings.env_file else { return Ok(cli) };
        let command = Self::command();
        let file = EnvFile::read(path, &names::known(&command)).map_err(ArgumentsError::EnvFile)?;
        let is_set = |name: &str| {
            let source = matches.value_source(&name.to_lowercase());
            source.is_some_and(|source| source != ValueSource::DefaultValue)
        };
        let unset = file.settings.iter().filter(|setting| !is_set(&setting.name));
        let flags: Vec<_> = unset.map(|setting| format!("{}={}", setting.flag(), setting.value).into()).collect();
        // Settings are flags of every command, so they may stand before the name of the command.
        let first = arguments.len().min(1);
        arguments.splice(first..first, flags);
        let (_, mut cli) = parse(&arguments).map_err(|error| blamed(&file, error))?;
        cli.settings.set_by_file = file.settings.into_iter().map(|setting| setting.name).collect();
        Ok(cli)
    }
}

fn parse(arguments: &[OsString]) -> Result<(ArgMatches, Cli), clap::Error> {
    let mut command = Cli::tailored();
    let matches = command.try_get_matches_from_mut(arguments).map_err(without_addresses)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| without_addresses(error.format(&mut command)))?;
    Ok((matches, cli))
}

/// Names the line of the file that clap complains of.
fn blamed(file: &EnvFile, error: clap::Error) -> ArgumentsError {
    let named = [ContextKind::InvalidArg, ContextKind::PriorArg].into_iter().filter_map(|kind| error.get(kind));
    let flags = named.flat_map(|value| match value {
        ContextValue::String(text) => vec![text.as_str()],
        ContextValue::Strings(texts) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    });
    // clap writes `--listen-addr <LISTEN_ADDR>`.
    let flags: Vec<_> = flags.filter_map(|flag| flag.split(' ').next()).map(str::to_owned).collect();
    let text = error.to_string();
    let problem = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").replace("\n ", "");
    match file.blame(&flags, &problem) {
        Some(error) => ArgumentsError::EnvFile(error),
        None => ArgumentsError::Clap(error),
    }
}

/// Returns the error with every URL that it quotes cut after the scheme, because a URL that was typed in the wrong
/// place may hold a password.
fn without_addresses(mut error: clap::Error) -> clap::Error {
    let typed: Vec<_> =
        error.context().filter(|(_, value)| value.to_string().contains("://")).map(|(kind, _)| kind).collect();
    for kind in typed {
        let hidden = match error.get(kind) {
            Some(ContextValue::String(text)) => text.split_once("://").map(|(scheme, _)| format!("{scheme}://***")),
            // clap's suggestion of a similar argument, which may quote the URL, too.
            _ => None,
        };
        error.insert(kind, hidden.map_or(ContextValue::None, ContextValue::String));
    }
    error
}
