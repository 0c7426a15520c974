//! The settings of the credentials of other services.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// The credentials of the services that may do more than any client.
#[derive(Clone, Args)]
pub(crate) struct ServiceSettings {
    /// Credentials of the services that may watch revocations, each 32 bytes or more, separated by commas [default:
    /// none, so that no service may]
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "watch_credentials_file")]
    pub(crate) watch_credentials: Option<SecretString>,

    /// A file that holds WATCH_CREDENTIALS, one on each line
    #[arg(long, env, global = true)]
    pub(crate) watch_credentials_file: Option<PathBuf>,

    /// Credentials of the services that may introspect and revoke tokens, each 32 bytes or more, separated by commas
    /// [default: none, so that no service may]
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "introspection_credentials_file")]
    pub(crate) introspection_credentials: Option<SecretString>,

    /// A file that holds INTROSPECTION_CREDENTIALS, one on each line
    #[arg(long, env, global = true)]
    pub(crate) introspection_credentials_file: Option<PathBuf>,
}
