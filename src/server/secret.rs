//! Finds the secrets: in a setting, in the file that a setting names, or, for the secret that signs tokens, in a file
//! beside the database, which is made at the first start.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_guard::token::{Secret, SecretError};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{SettingFileError, Settings, secret_file};
use crate::store::{self, OpenError, beside};

/// Why a secret cannot be used. The messages name the setting and never its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretSourceError {
    /// The text is not fit to be a secret.
    #[error("{setting} {cause}")]
    Unfit {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with the text.
        cause: SecretError,
    },
    /// A credential of a watching service is the signing secret, which would then travel.
    #[error(
        "WATCH_CREDENTIALS contains a secret that signs tokens, which must never be sent: make another with `openssl rand \
         -base64 48`"
    )]
    Signs,
    /// A credential of a watching service has characters that no header can carry.
    #[error(
        "WATCH_CREDENTIALS contains characters other than visible ASCII: make a credential with `openssl rand -base64 48`"
    )]
    Odd,
    /// The file that a setting names cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SettingFileError),
    /// The file beside the database cannot be made or read.
    #[error("cannot keep a generated secret in {path}: {cause}; make its folder writable or set JWT_SECRET")]
    Generated {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// A database server has no folder to keep a secret in.
    #[error(
        "JWT_SECRET is not set, and with PostgreSQL the server generates none: set JWT_SECRET or JWT_SECRET_FILE, the same \
         on every replica, for example to the output of `openssl rand -base64 48`"
    )]
    NowhereToKeep,
    /// The database was served with another secret.
    #[error(
        "the database was last served with another JWT_SECRET, so the tokens of other replicas, or of the server before, \
         would be refused: give every replica the same JWT_SECRET; to change it, set JWT_SECRET_PREVIOUS to the old one; \
         if that is lost, start once with `countersign serve --accept-new-secret`, which signs everybody out"
    )]
    Another,
    /// The generated secret is gone, and a new one would sign everybody out.
    #[error(
        "JWT_SECRET is not set and there is no {0}, but the database knows that its tokens were signed with a secret: put \
         the file back, or set JWT_SECRET to that secret; if it is lost, start once with `countersign serve \
         --accept-new-secret`, which signs everybody out"
    )]
    Gone(PathBuf),
    /// The address of the database is invalid.
    #[error(transparent)]
    Database(#[from] OpenError),
}

/// The secrets of the tokens.
pub(super) struct SigningSecrets {
    pub current: Secret,
    /// The previous secret: it signs no new tokens, but tokens that it signed are still accepted.
    pub previous: Option<Secret>,
    /// Whether the current secret was made by this start.
    pub is_new: bool,
}

/// Finds the secrets that sign tokens, for the database at `database_url`. A secret is made only if `may_make`.
pub(super) fn find(
    settings: &Settings,
    database_url: &str,
    may_make: bool,
) -> Result<SigningSecrets, SecretSourceError> {
    let given_one = given("JWT_SECRET", settings.jwt_secret.as_ref(), settings.jwt_secret_file.as_deref())?;
    let previous = given(
        "JWT_SECRET_PREVIOUS",
        settings.jwt_secret_previous.as_ref(),
        settings.jwt_secret_previous_file.as_deref(),
    )?;
    let (current, is_new) = match given_one {
        Some(secret) => (secret, false),
        None => generated(database_url, may_make)?,
    };
    Ok(SigningSecrets { current, previous, is_new })
}

/// The credentials of the services that may watch revocations; none if the setting is empty. A signing secret is
/// refused, because a credential travels over the network.
pub(super) fn watch_credentials(settings: &Settings, signing: &[&Secret]) -> Result<Vec<Secret>, SecretSourceError> {
    const SETTING: &str = "WATCH_CREDENTIALS";
    let text = text(SETTING, settings.watch_credentials.as_ref(), settings.watch_credentials_file.as_deref())?;
    let credentials = text.as_deref().unwrap_or_default().split([',', '\n']).map(str::trim);
    credentials
        .filter(|credential| !credential.is_empty())
        .map(|credential| match credential {
            signs if signing.iter().any(|secret| secret.is(signs)) => Err(SecretSourceError::Signs),
            odd if !odd.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => Err(SecretSourceError::Odd),
            good => parse(SETTING, good.to_owned()),
        })
        .collect()
}

/// The URL of the mail server, which may hold a password.
pub(super) fn mail_url(settings: &Settings) -> Result<Option<String>, SecretSourceError> {
    Ok(text("MAIL_URL", settings.mail.mail_url.as_ref(), settings.mail.mail_url_file.as_deref())?)
}

fn given(
    setting: &'static str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<Secret>, SecretSourceError> {
    text(setting, value, file)?.map(|text| parse(setting, text)).transpose()
}

fn parse(setting: &'static str, text: String) -> Result<Secret, SecretSourceError> {
    Secret::parse(text).map_err(|cause| SecretSourceError::Unfit { setting, cause })
}

fn text(
    setting: &'static str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<String>, SettingFileError> {
    secret_file::value(setting, value.map(ExposeSecret::expose_secret), file)
}

/// Reads the secret beside the database, or makes it if `may_make`: 32 random bytes, readable by their owner only.
/// Returns whether it was made now.
fn generated(database_url: &str, may_make: bool) -> Result<(Secret, bool), SecretSourceError> {
    let path = beside(&store::file(database_url)?.ok_or(SecretSourceError::NowhereToKeep)?, "-secret");
    let failed = |cause| SecretSourceError::Generated { path: path.clone(), cause };
    // Only the process that serves the database gets here, so no other process makes a secret meanwhile.
    let is_new = !path.try_exists().map_err(failed)?;
    if is_new && !may_make {
        return Err(SecretSourceError::Gone(path));
    }
    if is_new {
        make(&path).map_err(failed)?;
    }
    let rights = std::fs::metadata(&path).map_err(failed)?.permissions().mode();
    if rights & 0o077 != 0 {
        return Err(failed(io::Error::other("others may read it: chmod 600")));
    }
    let text = secret_file::text(&path).map_err(failed)?;
    let secret = Secret::parse(text);
    secret
        .map(|secret| (secret, is_new))
        .map_err(|_| failed(io::Error::other("it holds no secret; delete it (all tokens become invalid)")))
}

/// Makes a secret in a temporary file and renames it, so that a crash leaves no partial secret behind.
fn make(path: &Path) -> io::Result<()> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let unfinished = beside(path, ".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(URL_SAFE_NO_PAD.encode(bytes).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
