//! A setting that may be given in a file, as secrets are: `NAME_FILE` names the file. Separate because the commands and
//! the server read such files alike.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Settings;

/// The file of a setting cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {setting}_FILE ({path}): {cause}")]
pub struct SettingFileError {
    setting: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// Returns the value of `setting`, or the text of its file; `None` if neither is given.
pub(crate) fn value(
    setting: &'static str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, SettingFileError> {
    match (value, file) {
        (Some(value), _) => Ok(Some(value.to_owned())),
        (None, Some(path)) => {
            text(path).map(Some).map_err(|cause| SettingFileError { setting, path: path.to_owned(), cause })
        }
        (None, None) => Ok(None),
    }
}

/// Returns the text of a file, without the line break that editors add at its end.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

impl Settings {
    /// Returns the files of secrets that every user of the machine can read, with the settings that name them.
    pub(crate) fn readable_secret_files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            ("--env-file", &self.env_file),
            ("DATABASE_URL_FILE", &self.database.database_url_file),
            ("JWT_SECRET_FILE", &self.jwt_secret_file),
            ("JWT_SECRET_PREVIOUS_FILE", &self.jwt_secret_previous_file),
            ("SIGNING_KEY_FILE", &self.tokens.signing_key_file),
            ("MASTER_SECRET_FILE", &self.tokens.master_secret_file),
            ("WATCH_CREDENTIALS_FILE", &self.services.watch_credentials_file),
            ("INTROSPECTION_CREDENTIALS_FILE", &self.services.introspection_credentials_file),
            ("MAIL_URL_FILE", &self.mail.mail_url_file),
            ("TLS_KEY_FILE", &self.tls.tls_key_file),
        ];
        let is_readable = |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
        let given = files.into_iter().filter_map(|(setting, path)| Some((setting, path.as_deref()?)));
        given.filter(|(_, path)| is_readable(path)).collect()
    }
}
