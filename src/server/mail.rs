//! Mail, made from the settings: the transport and the templates, and the URL of the links.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::ServeError;
use super::secret;
use crate::config::Settings;
use crate::mail::{MailError, MailOptions, MailUrl, MailWorker, Pace, Post, PublicUrl};
use crate::store::Store;
use countersign_guard::clock::Clock;

/// Opens what mail is sent with. Invalid settings stop the start of the server.
pub(super) fn post(settings: &Settings, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Post, ServeError> {
    let url = secret::mail_url(settings)?;
    let options = MailOptions {
        url: url.as_deref().map(MailUrl::parse).transpose().map_err(MailError::from)?,
        sender: settings.mail.mail_from.clone(),
        templates: settings.mail.mail_templates.clone(),
        authorities: settings.mail.mail_ca_file.clone(),
        pace: Pace::default(),
    };
    Ok(Post::open(store, clock, options)?)
}

/// Starts sending mail. Without `PUBLIC_URL`, links lead to the address of the listener, which is known only now.
pub(super) fn start(post: Post, public_url: Option<PublicUrl>, listener: &TcpListener, tls: bool) -> MailWorker {
    let is_given = public_url.is_some();
    let public_url = public_url.unwrap_or_else(|| {
        // A listener without an address cannot be reached by a link either.
        PublicUrl::of(listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0))), tls)
    });
    if post.is_log() {
        tracing::warn!(event = "mail", "MAIL_URL is not set: no mail is sent, and links are written to this log");
    } else if !is_given {
        let url = public_url.as_str();
        tracing::warn!(
            event = "mail",
            url,
            "PUBLIC_URL is not set: links in mail lead to the address that this server listens on"
        );
    } else if public_url.is_clear() {
        tracing::warn!(
            event = "mail",
            "PUBLIC_URL begins with http: the one-time tokens of links are sent without encryption"
        );
    }
    MailWorker::start(post, public_url)
}
