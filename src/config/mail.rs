//! The settings of mail. Apart from the others, for they are one decision.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use crate::mail::{PublicUrl, Sender};

/// Where mail goes, who it is from and what it says.
#[derive(Clone, Default, Args)]
pub struct MailSettings {
    /// Where mail goes, as smtp://USER:PASSWORD@HOST:PORT, smtps://… or file:FOLDER [default: links are logged]
    ///
    /// smtp:// insists on STARTTLS; without a password, ?tls=opportunistic or ?tls=none after it does not.
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "mail_url_file")]
    pub mail_url: Option<SecretString>,

    /// A file that holds MAIL_URL
    #[arg(long, env, global = true)]
    pub mail_url_file: Option<PathBuf>,

    /// Authorities in PEM form, which sign the mail server's certificate [default: the public ones]
    #[arg(long, env, global = true)]
    pub mail_ca_file: Option<PathBuf>,

    /// Who mail is from, as an address, or as a name and an address in angle brackets
    #[arg(long, env, global = true, value_parser = Sender::parse)]
    pub mail_from: Option<Sender>,

    /// A folder of templates, which replace those of the same names
    #[arg(long, env, global = true)]
    pub mail_templates: Option<PathBuf>,

    /// The address that people reach this service by, for links in mail [default: LISTEN_ADDR]
    #[arg(long, env, global = true, value_parser = PublicUrl::parse)]
    pub public_url: Option<PublicUrl>,
}
