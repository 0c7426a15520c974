//! Mail, from the outbox to a mail server, a folder or the log. This file has what the tests share: a store with an
//! account, and a worker with a clock that is moved by hand.

mod folder;
mod log;
mod server;
mod settings;
mod silent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::domain::{Email, Firm, FirmName, Identity, MailKind, NewAccount, NewMail, PersonName, Role, Ticket};
use countersign::mail::{MailOptions, MailUrl, MailWorker, Pace, Post, PublicUrl, Sender};
use countersign::store::{self, DeadMail, Purpose, Store};
use countersign_guard::clock::{Clock as _, ManualClock};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::app::START;

/// How long to wait for an event that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The id of Ada's account.
const ADA: Uuid = Uuid::from_u128(2);

struct Office {
    store: Arc<dyn Store>,
    clock: ManualClock,
    dir: TempDir,
}

impl Office {
    /// Opens a store with Ada's account, which is not verified.
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("mail.db").display());
        let store = store::open(&url, Purpose::Serve).await.unwrap();
        let office = Self { store, clock: ManualClock::at(START), dir };
        office.register(ADA, "ada@example.com", "Ada Lovelace").await;
        office
    }

    async fn register(&self, id: Uuid, address: &str, name: &str) {
        let identity = Identity::Email {
            email: Email::parse(address).unwrap(),
            name: PersonName::parse(name).unwrap(),
            firm: Firm { id: Uuid::now_v7(), name: FirmName::parse("Analytical").unwrap() },
            role: Role::Admin,
            verified: false,
        };
        let new = NewAccount { id, identity, joins: false, password_hash: None, created_at: self.clock.now() };
        self.store.insert_account(&new, None, None).await.unwrap();
    }

    async fn queue(&self, kind: MailKind, to: &str, subject: Uuid) -> Uuid {
        let (id, recipient) = (Uuid::now_v7(), Email::parse(to).unwrap());
        let mail = NewMail { id, kind, recipient, subject, queued_at: self.clock.now() };
        assert!(self.store.queue_mail(&mail).await.unwrap());
        id
    }

    async fn verify(&self, to: &str) -> Uuid {
        self.queue(MailKind::VerifyEmail, to, Uuid::nil()).await
    }

    fn post(&self, url: &str, change: impl FnOnce(&mut MailOptions)) -> Post {
        let mut options = MailOptions {
            url: Some(MailUrl::parse(url).unwrap()),
            sender: Some(Sender::parse("Countersign <no-reply@auth.example.com>").unwrap()),
            templates: None,
            authorities: None,
            pace: Pace { poll: Duration::from_millis(5), delay: Duration::ZERO, ..Pace::default() },
        };
        change(&mut options);
        Post::open(Arc::clone(&self.store), Arc::new(self.clock.clone()), options).unwrap()
    }

    fn start(&self, url: &str, change: impl FnOnce(&mut MailOptions)) -> MailWorker {
        MailWorker::start(self.post(url, change), PublicUrl::parse("https://auth.example.com").unwrap())
    }

    /// Advances time by at most `step` seconds at a time, until a mail was given up. A step may be shorter than a
    /// lease, so the mail may have been tried more often than usual.
    async fn until_dead(&self, step: i64) -> DeadMail {
        let began = Instant::now();
        loop {
            if let Some(dead) = self.store.list_dead_mail(None, 1).await.unwrap().found.pop() {
                return dead;
            }
            assert!(began.elapsed() < PATIENCE);
            self.clock.advance(step);
            tokio::task::yield_now().await;
        }
    }

    /// Whether the address of Ada's account is verified.
    async fn is_verified(&self) -> bool {
        let account = self.store.find_account(ADA).await.unwrap().unwrap();
        matches!(account.identity, Identity::Email { verified: true, .. })
    }

    /// Uses the link of a mail, and returns whether the address is verified then.
    async fn verify_by(&self, mail: &str) -> bool {
        let ticket = Ticket::parse(token(mail)).unwrap();
        let now = self.clock.now();
        self.store.verify_email(&ticket.digest(), now, now).await.unwrap().is_some()
    }
}

/// A mail as a reader sees it, with the broken lines of its parts joined again.
fn readable(mail: &str) -> String {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap_or_default();
    let body = body.replace("=\r\n", "").replace("=3D", "=");
    format!("{head}\n\n{body}").replace("\r\n", "\n")
}

/// The token of the link in a mail.
pub fn token(mail: &str) -> String {
    let joined = mail.replace("=\r\n", "").replace("=3D", "=");
    let (_, after) = joined.split_once("#token=").unwrap_or_else(|| panic!("no link in {mail}"));
    let token: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    assert_eq!(token.len(), 43, "{mail}");
    token
}
