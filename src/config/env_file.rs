//! The file of `--env-file`: settings as `NAME=VALUE`, as the EnvironmentFile of systemd has them. Separate because the
//! whole file is ours, so each line of it must be a setting; among the variables of a process, most are not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names;

/// Why a file of settings is refused.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// The file cannot be read as text.
    #[error("cannot read the file of --env-file ({}): {cause}", path.display())]
    Unreadable {
        /// The file that was named.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// One line of the file is wrong.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file that was named.
        path: PathBuf,
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// The settings of a file, each at most once.
#[derive(Debug)]
pub(super) struct EnvFile {
    path: PathBuf,
    pub settings: Vec<FileSetting>,
}

/// A setting in a file. No `Debug` of the value, which may be a secret.
pub(super) struct FileSetting {
    line: usize,
    /// The name of the variable.
    pub name: String,
    pub value: String,
}

impl std::fmt::Debug for FileSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSetting").field("line", &self.line).field("name", &self.name).finish_non_exhaustive()
    }
}

impl FileSetting {
    /// Returns the flag of the setting.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.name.to_lowercase().replace('_', "-"))
    }
}

impl EnvFile {
    /// Reads a file of which every line is a setting of `known`, a comment or empty.
    pub(super) fn read(path: &Path, known: &[&str]) -> Result<Self, EnvFileError> {
        let text =
            fs::read_to_string(path).map_err(|cause| EnvFileError::Unreadable { path: path.to_owned(), cause })?;
        let mut file = Self { path: path.to_owned(), settings: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, value) = setting(line, known).map_err(|problem| file.error(number, problem))?;
            if let Some(earlier) = file.settings.iter().find(|earlier| earlier.name == name) {
                let problem = format!("{name} is set twice: it is in line {}, too", earlier.line);
                return Err(file.error(number, problem));
            }
            file.settings.push(FileSetting { line: number, name: name.to_owned(), value: value.to_owned() });
        }
        Ok(file)
    }

    /// Returns the error about the last line with a setting of `flags`; `None` if there is no such line.
    pub(super) fn blame(&self, flags: &[String], problem: &str) -> Option<EnvFileError> {
        let guilty = self.settings.iter().rfind(|setting| flags.contains(&setting.flag()))?;
        Some(self.error(guilty.line, problem.to_owned()))
    }

    fn error(&self, line: usize, problem: String) -> EnvFileError {
        EnvFileError::Line { path: self.path.clone(), line, problem }
    }
}

/// Reads one line. Only the name of a variable is shown in an error, because anything else may be a secret.
fn setting<'a>(line: &'a str, known: &[&str]) -> Result<(&'a str, &'a str), String> {
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let pair = line.split_once('=').map(|(name, value)| (name.trim_end(), value.trim_start()));
    let (name, value) = pair.filter(|(name, _)| !name.is_empty() && is_name(name)).ok_or_else(|| {
        "write NAME=VALUE, with the name of a setting in capital letters; a comment begins with #".to_owned()
    })?;
    if !known.contains(&name) {
        return Err(match names::nearest(name, known) {
            Some(meant) => format!("unknown setting {name}: did you mean {meant}?"),
            None => {
                format!("unknown setting {name}: docs/settings.md and `countersign serve --help` list all settings")
            }
        });
    }
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let inner = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    // systemd, shells and Docker read these in different ways.
    if inner.contains(['"', '\'', '\\']) {
        let twin = format!("{name}_FILE");
        let instead = match known.contains(&&*twin) {
            true => format!("write the value to a file of its own, and set {twin} to its path"),
            false => "leave it out".to_owned(),
        };
        return Err(format!(
            "the value of {name} has a quote or a backslash, which programs read in different ways: {instead}"
        ));
    }
    Ok((name, inner))
}
