//! The background job that sends queued mail. It wakes when this process has queued a mail and every few seconds,
//! leases a few mails, and records the fate of each. No call waits for it, however slow the mail server is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Post;
use super::content::MailContent;
use super::letter::letter;
use super::links::PublicUrl;
use super::pattern::Placeholder;
use super::transport::SendFailure;
use crate::domain::{Action, AuditEvent, Detail, MailKind, Note, Origin, Ticket};
use crate::store::{ClaimedMail, MailFate, NewTicket, StoreError};

/// The most mails that are being sent at once: few enough for any mail server.
const AT_ONCE: usize = 4;

/// The due mails that one statement examines for addresses without an account, in a few milliseconds.
const SETTLED_AT_ONCE: u32 = 500;

/// The lease of a mail, longer than any attempt takes. The mail of a process that died is tried again after this.
const LEASE: Duration = Duration::from_secs(90);

/// The number of attempts after which a mail is given up.
const MAX_ATTEMPTS: u32 = 10;

/// The delay before the second attempt. It doubles with each further attempt, …
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(10);

/// … up to this delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(3_600);

/// The most characters of the reason of a failure that are stored and logged.
const MAX_CAUSE_CHARS: usize = 300;

/// The job that sends mail, until it is stopped.
#[derive(Debug)]
pub struct MailWorker {
    stop: StopMail,
    task: JoinHandle<()>,
}

/// Stops a worker from another task.
#[derive(Debug, Clone, Default)]
pub struct StopMail(Arc<Notify>);

impl StopMail {
    /// Lets the worker finish the mails that it has leased, and begin no others.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Why a mail was not sent.
enum AttemptError {
    /// The mail server or the folder failed.
    Transport(SendFailure),
    /// The database failed, so the fate of the mail cannot be stored either.
    Store(StoreError),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl MailWorker {
    /// Starts sending. Links in mail begin with `public`.
    pub fn start(post: Post, public: PublicUrl) -> Self {
        let stop = StopMail::default();
        let task = tokio::spawn(run(Arc::new(post), Arc::new(public), stop.clone()));
        Self { stop, task }
    }

    /// A handle that stops the worker.
    pub fn stopper(&self) -> StopMail {
        self.stop.clone()
    }

    /// Stops the worker, and waits at most `limit` for the mails that it is sending. A mail that is cut off is sent
    /// again by any process when its lease has expired.
    pub async fn finish(mut self, limit: Duration) {
        self.stop.stop();
        if timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn run(post: Arc<Post>, public: Arc<PublicUrl>, stop: StopMail) {
    let mut sending = JoinSet::new();
    loop {
        let free = AT_ONCE - sending.len();
        if free > 0 {
            match claim(&post, free).await {
                Ok(mails) => {
                    for mail in mails {
                        let (post, public) = (Arc::clone(&post), Arc::clone(&public));
                        sending.spawn(async move { deliver(&post, &public, mail).await });
                    }
                }
                // Checked again in a moment. The revocation feed reports a database that is out of reach.
                Err(error) => tracing::debug!(event = "mail", result = "not checked", cause = error.cause()),
            }
        }
        tokio::select! {
            () = stop.0.notified() => break,
            Some(_) = sending.join_next() => {}
            () = post.store.mail_queued() => sleep(post.pace.delay).await,
            () = sleep(post.pace.poll) => {}
        }
    }
    while sending.join_next().await.is_some() {}
}

/// Leases up to `free` mails, after mail to addresses without an account was settled.
async fn claim(post: &Post, free: usize) -> Result<Vec<ClaimedMail>, StoreError> {
    let now = post.clock.now();
    while post.store.settle_mail_to_nobody(now, SETTLED_AT_ONCE).await? == u64::from(SETTLED_AT_ONCE) {}
    post.store.claim_mail(u32::try_from(free).unwrap_or(1), now, LEASE).await
}

/// Sends one mail and stores its fate.
async fn deliver(post: &Post, public: &PublicUrl, mail: ClaimedMail) {
    let (kind, id, attempt) = (mail.kind.as_str(), mail.id, mail.attempt);
    let fate = match send(post, public, &mail).await {
        Ok(()) => MailFate::Settled,
        Err(AttemptError::Transport(SendFailure { permanent, cause })) if permanent || attempt >= MAX_ATTEMPTS => {
            tracing::error!(event = "mail", result = "given up", kind, mail = %id, attempt, cause);
            MailFate::Dead { cause }
        }
        Err(AttemptError::Transport(SendFailure { cause, .. })) => {
            let doublings = attempt.saturating_sub(1).min(20);
            let wait = FIRST_RETRY_DELAY.saturating_mul(1 << doublings).min(MAX_RETRY_DELAY);
            tracing::warn!(event = "mail", result = "put off", kind, mail = %id, attempt, again_in = ?wait, cause);
            MailFate::Postponed { until: post.clock.now() + wait, cause }
        }
        Err(AttemptError::Store(error)) => {
            tracing::warn!(event = "mail", result = "put off", kind, mail = %id, attempt, cause = error.cause());
            return;
        }
    };
    if let Err(error) = post.store.settle_mail(&mail, &fate, post.clock.now()).await {
        // The mail is sent again when its lease has expired.
        tracing::warn!(event = "mail", result = "not settled", kind, mail = %id, attempt, cause = error.cause());
    } else if let MailFate::Dead { .. } = fate {
        audit_dead_mail(post, &mail).await;
    }
}

/// Writes a mail that was given up to the audit trail.
async fn audit_dead_mail(post: &Post, mail: &ClaimedMail) {
    let account = Some(mail.subject).filter(|id| !id.is_nil() && mail.kind != MailKind::Invitation);
    let note = Note::from(Action::MailDead, "given up", Origin::Server).on(account).with(Detail::Mail(mail.id));
    let event = AuditEvent { id: Uuid::now_v7(), at: post.clock.now(), note };
    if let Err(error) = post.store.append_events(&[event]).await {
        tracing::warn!(event = "audit", result = "lost", events = 1, cause = error.cause());
    }
}

/// Looks up the content of a mail, stores its one-time token, and sends it.
async fn send(post: &Post, public: &PublicUrl, mail: &ClaimedMail) -> Result<(), AttemptError> {
    let (kind, now) = (mail.kind.as_str(), post.clock.now());
    let Some(found) = MailContent::find(&*post.store, mail, now).await? else {
        // Only at level `debug`, because it tells whether the account exists.
        tracing::debug!(event = "mail", result = "nothing to send", kind, mail = %mail.id);
        return Ok(());
    };
    let ticket = match found.link {
        None => None,
        Some((purpose, expires_at)) => {
            let ticket = random_ticket()?;
            let account_id = found.account_id;
            let new = NewTicket { digest: ticket.digest(), account_id, purpose, created_at: now, expires_at };
            if !post.store.issue_ticket(mail, &new).await? {
                tracing::debug!(event = "mail", result = "nothing to send", kind, mail = %mail.id);
                return Ok(());
            }
            Some((purpose, ticket))
        }
    };
    let link = ticket.as_ref().map(|(purpose, ticket)| public.link(*purpose, ticket)).unwrap_or_default();
    if post.is_log() {
        tracing::warn!(
            event = "mail", result = "not sent", kind, mail = %mail.id, to = %mail.recipient, link,
            "MAIL_URL is not set: no mail was sent, and its link is written here instead"
        );
        return Ok(());
    }
    let filled = post.templates.fill(mail.kind, |placeholder| {
        found.value(placeholder, now).unwrap_or_else(|| match placeholder {
            Placeholder::Link => link.clone(),
            Placeholder::Email => mail.recipient.as_str().to_owned(),
            _ => public.host().to_owned(),
        })
    });
    let letter = filled.and_then(|filled| letter(&post.sender, &mail.recipient, filled, mail.id, now));
    let Some(letter) = letter else {
        let cause = "mail cannot be sent to this address".to_owned();
        return Err(AttemptError::Transport(SendFailure { permanent: true, cause }));
    };
    post.transport.send(mail.id, letter).await.map_err(|failure| {
        // Mail servers quote the address in errors, and spam filters quote the link.
        let secret = ticket.as_ref().map_or("", |(_, ticket)| ticket.expose());
        let cause = without(&failure.cause, [secret, mail.recipient.as_str()]);
        AttemptError::Transport(SendFailure { permanent: failure.permanent, cause })
    })?;
    tracing::info!(event = "mail", result = "sent", kind, mail = %mail.id, attempt = mail.attempt);
    Ok(())
}

/// A ticket of 256 bits from the randomness of the system, which cannot be guessed.
fn random_ticket() -> Result<Ticket, AttemptError> {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|error| {
        let cause = format!("the system has no randomness: {error}");
        AttemptError::Transport(SendFailure { permanent: false, cause })
    })?;
    Ok(Ticket::new(&random))
}

/// Shortens a text to one line of bounded length, and removes every occurrence of `hidden` from it, in any letter case.
fn without(text: &str, hidden: [&str; 2]) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for hidden in hidden.into_iter().filter(|hidden| !hidden.is_empty()) {
        let lower = hidden.to_ascii_lowercase();
        // Lower case has the same length, because only ASCII is changed.
        while let Some(at) = text.to_ascii_lowercase().find(&lower) {
            text.replace_range(at..at + hidden.len(), "…");
        }
    }
    text.chars().take(MAX_CAUSE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn secrets_that_a_mail_server_quotes_are_removed() {
        let said = "550 5.1.1 <Ada@Example.com>: no\r\nhttps://a/#token=T0k3n is listed; Ada@example.COM";
        let kept = "550 5.1.1 <…>: no  https://a/#token=… is listed; …";
        assert_eq!(without(said, ["t0k3n", "ada@example.com"]), kept);
        assert_eq!(without(&"ä".repeat(500), ["", "x"]), "ä".repeat(300));
    }
}
