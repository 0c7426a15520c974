//! Mail: what is queued in the database becomes a letter with a link, and goes.
//!
//! 1. A use case queues a mail in its own transaction (`store::OutboxStore`). The queue says what about and to whom, and holds
//!    no secret.
//! 2. A worker in each process (`worker`) takes what is due, a few at a time, under a lease that ends by itself.
//! 3. It looks up what there is to say at that moment (`matter`): nothing, perhaps, and then nothing is sent. So who asks for
//!    a stranger's mail is answered before anybody knows whether there is such an account.
//! 4. It makes the one-time token, stores what the token will be known by, and only then sends it (`letter`, `templates`,
//!    `links`, `transport`). A token that was sent is always one that works.
//! 5. What was not taken is tried again, later and later, ten times at most; then an operator finds it among the dead.
//!
//! A mail may be sent twice, when the answer of the server is lost: each has a link that works, and one use ends both.

mod letter;
mod links;
mod matter;
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
pub use pattern::PatternError;
pub use templates::TemplateError;
pub use transport::TransportError;
pub use url::{MailUrl, MailUrlError, Privacy, Smtp};
pub use worker::{Stop, Worker};

/// How mail is sent.
pub struct Options {
    /// Where to; into the log without one.
    pub url: Option<MailUrl>,
    /// Who it is from. A mail server needs one.
    pub sender: Option<Sender>,
    /// A folder of templates that replace those of the binary.
    pub templates: Option<PathBuf>,
    /// A file of certificates in PEM form, of authorities that sign the mail server's, in place of the public ones.
    pub authorities: Option<PathBuf>,
    /// How long things may take.
    pub pace: Pace,
}

/// How long things may take. The product's are the default; tests have no time for those.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until a server has accepted a connection. All that follows may take three times as long.
    pub patience: Duration,
    /// How often the queue is looked into for what became due, or what another process queued.
    pub look: Duration,
    /// From when a mail was queued until it is looked at: whoever asked for it has the answer by then, so that the work
    /// which only a known address causes does not slow down what it could be told by.
    pub gather: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), look: Duration::from_secs(2), gather: Duration::from_millis(250) }
    }
}

/// Why mail cannot be sent at all. Each message names a setting.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Where to.
    #[error(transparent)]
    Url(#[from] MailUrlError),
    /// The way there.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What it says.
    #[error("MAIL_TEMPLATES: {0}")]
    Templates(#[from] TemplateError),
    /// From nobody.
    #[error("MAIL_FROM is not set: MAIL_URL names a mail server, which wants to know who mail is from")]
    NoSender,
}

/// Everything that mail is sent with.
pub struct Post {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    templates: Templates,
    transport: Transport,
    sender: Sender,
    pace: Pace,
}

impl Post {
    /// Reads the templates and opens the way, without sending anything yet.
    pub fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: Options) -> Result<Self, MailError> {
        let Options { url, sender, templates, authorities, pace } = options;
        let templates = Templates::load(templates.as_deref())?;
        let sender = match (sender, &url) {
            (Some(sender), _) => sender,
            (None, Some(MailUrl::Smtp(_))) => return Err(MailError::NoSender),
            (None, _) => Sender::of_this_machine(),
        };
        let transport = Transport::open(url, authorities.as_deref(), sender.domain(), pace.patience)?;
        Ok(Self { store, clock, templates, transport, sender, pace })
    }

    /// Whether nothing is sent, and links are written to the log.
    pub fn is_log(&self) -> bool {
        matches!(self.transport, Transport::Log)
    }
}
