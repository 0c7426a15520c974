//! The reasons why the server does not start. Separate because every part of the composition can give one.

use std::io;
use std::net::SocketAddr;

use super::secret::SecretSourceError;
use crate::breaches::BreachesError;
use crate::config::{SettingsError, TokenSettingsError};
use crate::grpc;
use crate::hashing::HashError;
use crate::keys::KeysError;
use crate::mail::MailError;
use crate::rest::RestError;
use crate::store::{OpenError, StoreError};
use crate::transport::TlsError;

/// Why the server did not start, or stopped. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database was opened and cannot be read.
    #[error("cannot read the database: {0}")]
    Store(#[from] StoreError),
    /// There is no usable signing secret.
    #[error(transparent)]
    Secret(#[from] SecretSourceError),
    /// There is no usable signing key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The files of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of breached passwords cannot be used.
    #[error("BREACHED_PASSWORDS_FILE: {0}")]
    Breaches(#[from] BreachesError),
    /// The settings of the password policy are invalid.
    #[error(transparent)]
    Policy(#[from] SettingsError),
    /// The settings of what signs tokens do not fit together.
    #[error(transparent)]
    Tokens(#[from] TokenSettingsError),
    /// The settings of mail are invalid.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The threads of the hash lane did not start.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The threads that serve connections did not start.
    #[error("cannot start a thread that serves connections: {0}")]
    Threads(io::Error),
    /// The gRPC stack cannot be built, which is a defect.
    #[error(transparent)]
    Stack(#[from] grpc::StackError),
    /// The REST routes cannot be built, which is a defect.
    #[error(transparent)]
    Rules(#[from] RestError),
    /// The address of the setting that is named first is not free.
    #[error("cannot listen on {1}: {2}; set {0} to an address and port that are free")]
    Listen(&'static str, SocketAddr, io::Error),
    /// The handlers of SIGTERM and SIGINT cannot be installed.
    #[error("cannot wait for signals: {0}")]
    Signal(io::Error),
}

impl ServeError {
    /// Returns the exit code of the process: 1 if the same start may succeed later, and 2 if a setting must change.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(OpenError::Unreachable { .. }) | Self::Store(_) | Self::Keys(KeysError::Store(_)) => 1,
            _ => 2,
        }
    }
}
