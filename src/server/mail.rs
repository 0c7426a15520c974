//! What mail is sent with, from the settings, and the address that its links lead to.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign_guard::clock::Clock;
use tokio::net::TcpListener;

use super::{ServeError, secret};
use crate::config::Settings;
use crate::mail::{MailError, MailUrl, Options, Pace, Post, PublicUrl, Worker};
use crate::store::Store;

/// Reads what mail needs; what is wrong with it stops the start.
pub(super) fn post(settings: &Settings, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Post, ServeError> {
    let url = secret::mail_url(settings)?;
    let options = Options {
        url: url.as_deref().map(MailUrl::parse).transpose().map_err(MailError::from)?,
        sender: settings.mail.mail_from.clone(),
        templates: settings.mail.mail_templates.clone(),
        authorities: settings.mail.mail_ca_file.clone(),
        pace: Pace::default(),
    };
    Ok(Post::open(store, clock, options)?)
}

/// Starts sending. Without a `PUBLIC_URL`, links lead to where this process listens, which only now is known.
pub(super) fn start(post: Post, public_url: Option<PublicUrl>, listener: &TcpListener, tls: bool) -> Worker {
    let is_given = public_url.is_some();
    let public_url = public_url.unwrap_or_else(|| {
        // A listener that does not know where it listens is none that a mail could lead to.
        PublicUrl::of(listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0))), tls)
    });
    if post.is_log() {
        tracing::warn!(event = "mail", "MAIL_URL is not set: no mail is sent, and links are written to this log");
    } else if !is_given {
        let url = public_url.as_str();
        tracing::warn!(
            event = "mail",
            url,
            "PUBLIC_URL is not set: the links in mail lead to where this server listens"
        );
    } else if public_url.is_clear() {
        tracing::warn!(event = "mail", "PUBLIC_URL begins with http: whoever uses a link sends its token in the clear");
    }
    Worker::start(post, public_url)
}
