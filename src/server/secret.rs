//! Finds the secrets: in a setting, in the file that a setting names, or, for the secret that signs tokens, in a file
//! beside the database, which is made at the first start.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_guard::token::{Asymmetric, KeyError, Secret, SecretError};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{SettingFileError, Settings, secret_file};
use crate::keys::MasterSecretError;
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
    /// A credential of a service is the signing secret, which would then travel.
    #[error(
        "{0} contains a secret that signs tokens, which must never be sent: make another with `openssl rand -base64 48`"
    )]
    Signs(&'static str),
    /// A credential of a service has characters that no header can carry.
    #[error("{0} contains characters other than visible ASCII: make a credential with `openssl rand -base64 48`")]
    Odd(&'static str),
    /// The file that a setting names cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SettingFileError),
    /// The file beside the database cannot be made or read.
    #[error("cannot keep a generated secret in {path}: {cause}; make its folder writable or set {setting}")]
    Generated {
        /// The setting that can be given in place of the file.
        setting: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The file of a signing key cannot be used.
    #[error("SIGNING_KEY_FILE ({path}) {cause}")]
    KeyFile {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with its content.
        cause: KeyFileError,
    },
    /// The file of the master secret holds none.
    #[error("MASTER_SECRET_FILE {0}")]
    Master(#[from] MasterSecretError),
    /// A database server has no folder to keep a master secret in.
    #[error(
        "TOKEN_ALGORITHM is not HS256, and with PostgreSQL the servers keep their signing keys in the database, encrypted: \
         set MASTER_SECRET_FILE to a file with the output of `openssl rand -base64 48`, the same on every replica; or give \
         a key in SIGNING_KEY_FILE"
    )]
    NoMaster,
    /// The generated master secret is gone, and what it encrypted cannot be opened without it.
    #[error(
        "there is no {0}, with which the signing keys and second factors in the database are encrypted: put the file \
         back, or set MASTER_SECRET_FILE to a copy of it; if it is lost, start once with `countersign serve \
         --accept-new-secret`, which makes new keys, and after which nobody's authenticator app is accepted"
    )]
    MasterGone(PathBuf),
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

/// Why the content of `SIGNING_KEY_FILE` is no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is no private key, or one that is too short.
    #[error("{0}; make one with `openssl genpkey`, as docs/keys.md shows")]
    Unfit(#[from] KeyError),
    /// It is a private key of another algorithm.
    #[error("holds a key for {held}, and TOKEN_ALGORITHM is {set}: set TOKEN_ALGORITHM to {held}, or give another key")]
    Other {
        /// The algorithm of the key.
        held: Asymmetric,
        /// The algorithm of the setting.
        set: Asymmetric,
    },
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

/// The credentials of other services. None of them may do what its list is empty for.
pub(super) struct ServiceCredentials {
    /// Those of the services that may watch revocations.
    pub watch: Vec<Secret>,
    /// Those of the services that may ask about tokens.
    pub introspection: Vec<Secret>,
}

/// Reads the credentials of other services. A signing secret is refused, because a credential travels over the network.
pub(super) fn service_credentials(
    settings: &Settings,
    signing: &SigningSecrets,
) -> Result<ServiceCredentials, SecretSourceError> {
    let of = &settings.services;
    let (watch, introspection) = (&of.watch_credentials, &of.introspection_credentials);
    let (watch_file, introspection_file) = (&of.watch_credentials_file, &of.introspection_credentials_file);
    Ok(ServiceCredentials {
        watch: credentials("WATCH_CREDENTIALS", watch.as_ref(), watch_file.as_deref(), signing)?,
        introspection: credentials(
            "INTROSPECTION_CREDENTIALS",
            introspection.as_ref(),
            introspection_file.as_deref(),
            signing,
        )?,
    })
}

fn credentials(
    setting: &'static str,
    value: Option<&SecretString>,
    file: Option<&Path>,
    SigningSecrets { current, previous, .. }: &SigningSecrets,
) -> Result<Vec<Secret>, SecretSourceError> {
    let text = text(setting, value, file)?;
    let credentials = text.as_deref().unwrap_or_default().split([',', '\n']).map(str::trim);
    let signs = |text: &str| current.is(text) || previous.as_ref().is_some_and(|previous| previous.is(text));
    credentials
        .filter(|credential| !credential.is_empty())
        .map(|credential| match credential {
            secret if signs(secret) => Err(SecretSourceError::Signs(setting)),
            odd if !odd.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
                Err(SecretSourceError::Odd(setting))
            }
            good => parse(setting, good.to_owned()),
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

/// Reads the secret beside the database, or makes it if `may_make`. Returns whether it was made now.
fn generated(database_url: &str, may_make: bool) -> Result<(Secret, bool), SecretSourceError> {
    let path = beside(&store::file(database_url)?.ok_or(SecretSourceError::NowhereToKeep)?, "-secret");
    let kept = kept("JWT_SECRET", &path, may_make)?.ok_or_else(|| SecretSourceError::Gone(path.clone()))?;
    let (text, is_new) = kept;
    Secret::parse(text).map(|secret| (secret, is_new)).map_err(|_| {
        let cause = io::Error::other("it holds no secret; delete it (all tokens become invalid)");
        SecretSourceError::Generated { setting: "JWT_SECRET", path, cause }
    })
}

/// Reads the text of a generated secret, or makes one if `may_make`: 32 random bytes, readable by their owner only.
/// Returns whether it was made now; `None` if it is not there. `setting` is what can be set in its place.
pub(super) fn kept(
    setting: &'static str,
    path: &Path,
    may_make: bool,
) -> Result<Option<(String, bool)>, SecretSourceError> {
    let read = || {
        // Only the process that serves the database gets here, so no other process makes a secret meanwhile.
        let is_new = !path.try_exists()?;
        if is_new && !may_make {
            return Ok(None);
        }
        if is_new {
            make(path)?;
        }
        if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("others may read it: chmod 600"));
        }
        Ok(Some((secret_file::text(path)?, is_new)))
    };
    read().map_err(|cause| SecretSourceError::Generated { setting, path: path.to_owned(), cause })
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
