//! Who sends what is queued: wakes when this process queued something and every few seconds, takes a few mails, and says
//! what became of each. No call waits for it, however slow the mail server is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Post;
use super::letter::letter;
use super::links::PublicUrl;
use super::matter::Matter;
use super::pattern::Placeholder;
use super::transport::Failure;
use crate::domain::{Action, AuditEvent, Detail, MailKind, Note, Origin, Ticket};
use crate::store::{ClaimedMail, MailFate, NewTicket, StoreError};

/// Mails that are under way at once: enough for a small service, and few enough for any mail server.
const AT_ONCE: usize = 4;

/// Longer than any attempt takes. A mail of a process that died waits so long.
const LEASE: Duration = Duration::from_secs(90);

/// A mail that was not sent then is given up.
const ATTEMPTS: u32 = 10;

/// Until the second attempt; each wait after that is twice the one before, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// As much as is kept and logged of why a mail was not sent.
const MAX_CAUSE_CHARS: usize = 300;

/// Sends until it is told to stop.
#[derive(Debug)]
pub struct Worker {
    stop: Stop,
    task: JoinHandle<()>,
}

/// Tells a worker to begin nothing more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// What is under way is finished.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Why a mail was not sent.
enum Setback {
    /// The way there.
    Transport(Failure),
    /// The database; then nobody can say what became of the mail either.
    Store(StoreError),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Worker {
    /// Starts sending; links lead to `public`.
    pub fn start(post: Post, public: PublicUrl) -> Self {
        let stop = Stop::default();
        let task = tokio::spawn(run(Arc::new(post), Arc::new(public), stop.clone()));
        Self { stop, task }
    }

    /// What tells it to begin nothing more.
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until what is under way has ended, but no longer than `patience`. What has not is sent again, by whoever comes
    /// next, when its lease is over.
    pub async fn finish(mut self, patience: Duration) {
        self.stop.stop();
        if timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn run(post: Arc<Post>, public: Arc<PublicUrl>, stop: Stop) {
    let mut sending = JoinSet::new();
    loop {
        let free = AT_ONCE - sending.len();
        if free > 0 {
            match post.store.claim_mail(u32::try_from(free).unwrap_or(1), post.clock.now(), LEASE).await {
                Ok(mails) => {
                    for mail in mails {
                        let (post, public) = (Arc::clone(&post), Arc::clone(&public));
                        sending.spawn(async move { one(&post, &public, mail).await });
                    }
                }
                // Looked at again in a moment; when the database is away, others say so.
                Err(error) => tracing::debug!(event = "mail", result = "not looked at", cause = error.cause()),
            }
        }
        tokio::select! {
            () = stop.0.notified() => break,
            Some(_) = sending.join_next() => {}
            () = post.store.mail_queued() => sleep(post.pace.gather).await,
            () = sleep(post.pace.look) => {}
        }
    }
    while sending.join_next().await.is_some() {}
}

/// Sends one mail, and says what became of it.
async fn one(post: &Post, public: &PublicUrl, mail: ClaimedMail) {
    let (kind, id, attempt) = (mail.kind.as_str(), mail.id, mail.attempt);
    let fate = match send(post, public, &mail).await {
        Ok(()) => MailFate::Settled,
        Err(Setback::Transport(Failure { permanent, cause })) if permanent || attempt >= ATTEMPTS => {
            tracing::error!(event = "mail", result = "given up", kind, mail = %id, attempt, cause);
            MailFate::Dead { cause }
        }
        Err(Setback::Transport(Failure { cause, .. })) => {
            let wait = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(LONGEST_WAIT);
            tracing::warn!(event = "mail", result = "put off", kind, mail = %id, attempt, again_in = ?wait, cause);
            MailFate::Postponed { until: post.clock.now() + wait, cause }
        }
        Err(Setback::Store(error)) => {
            tracing::warn!(event = "mail", result = "put off", kind, mail = %id, attempt, cause = error.cause());
            return;
        }
    };
    if let Err(error) = post.store.settle_mail(&mail, &fate, post.clock.now()).await {
        // It is sent again when the lease is over.
        tracing::warn!(event = "mail", result = "not settled", kind, mail = %id, attempt, cause = error.cause());
    } else if let MailFate::Dead { .. } = fate {
        give_up(post, &mail).await;
    }
}

/// Tells the audit trail, too.
async fn give_up(post: &Post, mail: &ClaimedMail) {
    let account = Some(mail.subject).filter(|id| !id.is_nil() && mail.kind != MailKind::Invitation);
    let note = Note::from(Action::MailDead, "given up", Origin::Server).on(account).with(Detail::Mail(mail.id));
    let event = AuditEvent { id: Uuid::now_v7(), at: post.clock.now(), note };
    if let Err(error) = post.store.append_events(&[event]).await {
        tracing::warn!(event = "audit", result = "lost", events = 1, cause = error.cause());
    }
}

async fn send(post: &Post, public: &PublicUrl, mail: &ClaimedMail) -> Result<(), Setback> {
    let (kind, now) = (mail.kind.as_str(), post.clock.now());
    let Some(matter) = Matter::find(&*post.store, mail, now).await? else {
        // Not told above `debug`: it would tell whether there is such an account.
        tracing::debug!(event = "mail", result = "nothing to send", kind, mail = %mail.id);
        return Ok(());
    };
    let ticket = match matter.link {
        None => None,
        Some((purpose, expires_at)) => {
            let ticket = random_ticket()?;
            let account_id = matter.account_id;
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
            "MAIL_URL is not set: no mail was sent, and this is what it would have been for"
        );
        return Ok(());
    }
    let content = post.templates.fill(mail.kind, |placeholder| {
        matter.value(placeholder, now).unwrap_or_else(|| match placeholder {
            Placeholder::Link => link.clone(),
            Placeholder::Email => mail.recipient.as_str().to_owned(),
            _ => public.host().to_owned(),
        })
    });
    let letter = content.and_then(|content| letter(&post.sender, &mail.recipient, content, mail.id, now));
    let Some(letter) = letter else {
        let cause = "the address is none that mail can be sent to".to_owned();
        return Err(Setback::Transport(Failure { permanent: true, cause }));
    };
    post.transport.send(mail.id, letter).await.map_err(|failure| {
        // Servers quote the address, and filters quote the link.
        let secret = ticket.as_ref().map_or("", |(_, ticket)| ticket.expose());
        let cause = without(&failure.cause, [secret, mail.recipient.as_str()]);
        Setback::Transport(Failure { permanent: failure.permanent, cause })
    })?;
    tracing::info!(event = "mail", result = "sent", kind, mail = %mail.id, attempt = mail.attempt);
    Ok(())
}

/// From the system's randomness: 256 bits, which nobody guesses.
fn random_ticket() -> Result<Ticket, Setback> {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|error| {
        Setback::Transport(Failure { permanent: false, cause: format!("the system gives no randomness: {error}") })
    })?;
    Ok(Ticket::new(&random))
}

/// A text of one line and bounded length in which none of `hidden` is found, in whatever letter case.
fn without(text: &str, hidden: [&str; 2]) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for hidden in hidden.into_iter().filter(|hidden| !hidden.is_empty()) {
        let lower = hidden.to_ascii_lowercase();
        // Both are as long in lower case: only ASCII is changed.
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
    fn what_a_server_quotes_is_left_out_of_what_is_kept() {
        let said = "550 5.1.1 <Ada@Example.com>: no\r\nhttps://a/#token=T0k3n is listed; Ada@example.COM";
        let kept = "550 5.1.1 <…>: no  https://a/#token=… is listed; …";
        assert_eq!(without(said, ["t0k3n", "ada@example.com"]), kept);
        assert_eq!(without(&"ä".repeat(500), ["", "x"]), "ä".repeat(300));
    }
}
