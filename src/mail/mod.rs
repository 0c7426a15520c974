//! Mail: sends the letters that use cases have queued in the database (an outbox).
//!
//! 1. A use case queues a mail in its own transaction (`store::OutboxStore`). The outbox holds the kind of the mail and
//!    its recipient, but no secret.
//! 2. A worker in each process (`worker`) takes a few due mails at a time, under a lease that expires by itself.
//!    Before that, mail that strangers asked for and that no account has the address of is settled, many at a time.
//! 3. The worker looks up the content at that moment (`content`). If there is no such account, or no need of the mail
//!    any more, nothing is sent. A caller that requests mail for a stranger's address is thus answered before anything
//!    is looked up.
//! 4. The worker makes the one-time token, stores the token's digest, and only then sends the mail (`letter`,
//!    `templates`, `links`, `transport`). A token that was sent always works.
//! 5. A mail that the server did not accept is tried again with growing delays, at most ten times. Then it is listed as
//!    dead for the operator.
//!
//! A mail may be sent twice if the server's answer is lost. Each copy then has a link that works, and using one voids
//! both.

mod content;
mod letter;
mod links;
mod pattern;
mod templates;
mod transport;
mod url;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::store::Store;
use countersign_guard::clock::Clock;
use templates::Templates;
use transport::Transport;

pub use letter::Sender;
pub use links::PublicUrl;
pub use templates::TemplateError;
pub use transport::TransportError;
pub use url::MailUrl;
pub(crate) use url::MailUrlError;
pub use worker::MailWorker;

/// The settings of mail.
pub struct MailOptions {
    /// Where mail is sent; `None` writes links to the log instead.
    pub url: Option<MailUrl>,
    /// The sender of mail, which a mail server requires.
    pub sender: Option<Sender>,
    /// A folder of templates that replace the embedded ones.
    pub templates: Option<PathBuf>,
    /// A PEM file of the authorities that may sign the mail server's certificate, instead of the public ones.
    pub authorities: Option<PathBuf>,
    /// The deadlines and periods of sending.
    pub pace: Pace,
}

/// The deadlines and periods of sending. The defaults are those of the server; tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The deadline of a connection to the mail server. Sending a mail may take three times as long.
    pub connect_timeout: Duration,
    /// How often the outbox is checked for mail that became due or that another process queued.
    pub poll: Duration,
    /// The delay between queueing and sending. The caller has its answer by then, so that the extra work for an
    /// existing account cannot be measured in the time of that answer.
    pub delay: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let connect_timeout = Duration::from_secs(10);
        Self { connect_timeout, poll: Duration::from_secs(2), delay: Duration::from_millis(250) }
    }
}

/// Why no mail can be sent at all. Each message names a setting.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The URL of the mail server is invalid.
    #[error(transparent)]
    Url(#[from] MailUrlError),
    /// The transport to the mail server cannot be opened.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The templates are invalid.
    #[error("MAIL_TEMPLATES: {0}")]
    Templates(#[from] TemplateError),
    /// A mail server is set, but no sender.
    #[error("MAIL_FROM is not set: MAIL_URL names a mail server, which needs a sender")]
    NoSender,
}

/// Everything that is needed to send mail.
pub struct Post {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    templates: Templates,
    transport: Transport,
    sender: Sender,
    pace: Pace,
}

impl Post {
    /// Reads the templates and opens the transport, without sending anything.
    pub fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: MailOptions) -> Result<Self, MailError> {
        let MailOptions { url, sender, templates, authorities, pace } = options;
        let templates = Templates::load(templates.as_deref())?;
        let sender = match (sender, &url) {
            (Some(sender), _) => sender,
            (None, Some(MailUrl::Smtp(_))) => return Err(MailError::NoSender),
            (None, _) => Sender::of_this_machine(),
        };
        let transport = Transport::open(url, authorities.as_deref(), sender.domain(), pace.connect_timeout)?;
        Ok(Self { store, clock, templates, transport, sender, pace })
    }

    /// Whether links are written to the log instead of being sent.
    pub fn is_log(&self) -> bool {
        matches!(self.transport, Transport::Log)
    }
}
