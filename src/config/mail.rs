//! The settings of mail. Separate because they are one decision.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use crate::mail::{PublicUrl, Sender};

/// The server, the sender and the texts of mail.
#[derive(Clone, Default, Args)]
pub(crate) struct MailSettings {
    /// Where mail is sent: smtp://USER:PASSWORD@HOST:PORT, smtps://… or file:FOLDER [default: links are written to the
    /// log]
    ///
    /// smtp:// requires STARTTLS. Without a password, ?tls=opportunistic or ?tls=none lifts that requirement.
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "mail_url_file")]
    pub mail_url: Option<SecretString>,

    /// A file that holds MAIL_URL
    #[arg(long, env, global = true)]
    pub mail_url_file: Option<PathBuf>,

    /// Certificate authorities of the mail server, in PEM form [default: the public ones]
    #[arg(long, env, global = true)]
    pub mail_ca_file: Option<PathBuf>,

    /// The sender of mail: an address, or a name and an address in angle brackets; required with a mail server
    #[arg(long, env, global = true, value_parser = Sender::parse)]
    pub mail_from: Option<Sender>,

    /// A folder of mail templates that replace the built-in ones of the same names
    #[arg(long, env, global = true)]
    pub mail_templates: Option<PathBuf>,

    /// The base URL of the links in mail [default: LISTEN_ADDR]
    #[arg(long, env, global = true, value_parser = PublicUrl::parse)]
    pub public_url: Option<PublicUrl>,
}
