//! The promises of every store about the outbox, one-time tokens and invitations.

use countersign::domain::{AttemptKey, MailKind, NewMail, Ticket, TicketPurpose};
use countersign::store::{Budget, ClaimedMail, EmailChange, MailFate, NewTicket, PasswordReset};

use super::invitations::{invitation, joining};
use super::*;

const LEASE: Duration = Duration::from_secs(60);
pub const FIRM: u128 = 7;

pub fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn mail(id: u128, kind: MailKind, to: &str, subject: u128, second: i64) -> NewMail {
    let (id, subject) = (Uuid::from_u128(id), Uuid::from_u128(subject));
    NewMail { id, kind, recipient: address(to), subject, queued_at: at(second) }
}

pub fn ticket(number: u8) -> Ticket {
    Ticket::new(&[number; 32])
}

pub async fn claim(store: &Store, second: i64) -> Vec<ClaimedMail> {
    store.claim_mail(10, at(second), LEASE).await.unwrap()
}

async fn settle(store: &Store, mail: &ClaimedMail, fate: MailFate, second: i64) -> bool {
    store.settle_mail(mail, &fate, at(second)).await.unwrap()
}

pub fn ids(mails: &[ClaimedMail]) -> Vec<u128> {
    let mut ids: Vec<_> = mails.iter().map(|mail| mail.id.as_u128()).collect();
    ids.sort_unstable();
    ids
}

/// Stores the account of Ada, id 2, unverified.
pub async fn ada(store: &Store) -> NewAccount {
    let mut ada = email(2, "ada@example.com", FIRM);
    if let Identity::Email { verified, .. } = &mut ada.identity {
        *verified = false;
    }
    store.insert_account(&ada, Some(&session(10, &ada, 0)), None).await.unwrap();
    ada
}

/// Sends a mail of this kind as far as the store is concerned, and returns its ticket.
pub async fn send(store: &Store, kind: MailKind, to: &str, subject: u128, number: u8) -> Ticket {
    let new = mail(1_000 + u128::from(number), kind, to, subject, i64::from(number) * 100);
    assert!(store.queue_mail(&new).await.unwrap());
    let claimed = claim(store, i64::from(number) * 100 + 60).await.pop().unwrap();
    let ticket = ticket(number);
    let account = (kind != MailKind::Invitation).then_some(Uuid::from_u128(2));
    assert!(store.issue_ticket(&claimed, &new_ticket(&ticket, kind, account)).await.unwrap());
    assert!(settle(store, &claimed, MailFate::Settled, i64::from(number) * 100 + 60).await);
    ticket
}

pub fn new_ticket(ticket: &Ticket, kind: MailKind, account_id: Option<Uuid>) -> NewTicket {
    let (digest, purpose) = (ticket.digest(), kind.purpose().unwrap());
    NewTicket { digest, account_id, purpose, created_at: at(0), expires_at: at(5_000) }
}

async fn is_verified(store: &Store, id: u128) -> bool {
    let account = store.find_account(Uuid::from_u128(id)).await.unwrap().unwrap();
    matches!(account.identity, Identity::Email { verified: true, .. })
}

pub async fn mail_is_queued_once_and_goes_once_a_minute_to_a_recipient(store: Store) {
    let reset = |id, second| mail(id, MailKind::ResetPassword, "ada@example.com", 0, second);
    assert!(store.queue_mail(&reset(1, 0)).await.unwrap());
    tokio::time::timeout(LEASE, store.mail_queued()).await.expect("rung");
    assert!(!store.queue_mail(&reset(2, 1)).await.unwrap(), "waits already");
    assert!(store.queue_mail(&mail(3, MailKind::ResetPassword, "bo@example.com", 0, 1)).await.unwrap());
    assert!(store.queue_mail(&mail(4, MailKind::VerifyEmail, "ada@example.com", 0, 1)).await.unwrap());
    let claimed = claim(&store, 1).await;
    assert_eq!(ids(&claimed), [1, 3, 4]);
    assert!(!store.queue_mail(&reset(5, 2)).await.unwrap(), "is being sent");
    assert!(claim(&store, 2).await.is_empty());
    for mail in &claimed {
        assert!(settle(&store, mail, MailFate::Settled, 3).await);
        assert!(!settle(&store, mail, MailFate::Settled, 3).await, "twice");
    }
    // The next mail is queued for the end of the minute.
    assert!(store.queue_mail(&reset(6, 4)).await.unwrap());
    assert!(!store.queue_mail(&reset(7, 4)).await.unwrap());
    assert!(claim(&store, 62).await.is_empty());
    assert_eq!(ids(&claim(&store, 63).await), [6]);

    // Mails about different matters are all sent, a minute apart.
    for subject in [1, 2, 3] {
        let notice = mail(10 + subject, MailKind::Invitation, "ada@example.com", subject, 100);
        assert!(store.queue_mail(&notice).await.unwrap());
    }
    for (second, expected) in [(100, vec![11]), (159, vec![]), (160, vec![12]), (220, vec![13])] {
        let claimed = claim(&store, second).await;
        let invitations: Vec<_> = ids(&claimed).into_iter().filter(|id| (11..=13).contains(id)).collect();
        assert_eq!(invitations, expected, "{second}");
        for mail in claimed {
            settle(&store, &mail, MailFate::Settled, second).await;
        }
    }
}

pub async fn mail_that_strangers_ask_for_holds_up_no_mail_of_an_account(store: Store) {
    ada(&store).await;
    let nobody = |id: u128, kind| mail(id, kind, &format!("nobody{id}@example.com"), 0, 0);
    for id in 100..140 {
        let kind = if id % 2 == 0 { MailKind::ResetPassword } else { MailKind::VerifyEmail };
        assert!(store.queue_mail(&nobody(id, kind)).await.unwrap());
    }
    // These are sent to addresses without an account, and only a caller that is signed in can ask for them.
    assert!(store.queue_mail(&mail(200, MailKind::ChangeEmail, "new@example.com", 2, 1)).await.unwrap());
    assert!(store.queue_mail(&mail(201, MailKind::EmailChanged, "old@example.com", 2, 1)).await.unwrap());
    assert!(store.queue_mail(&mail(202, MailKind::ResetPassword, "ada@example.com", 0, 1)).await.unwrap());
    assert!(store.queue_mail(&nobody(203, MailKind::VerifyEmail)).await.unwrap());
    assert_eq!(store.settle_mail_to_nobody(at(-1), 100).await.unwrap(), 0, "none is due");
    assert_eq!(store.settle_mail_to_nobody(at(1), 30).await.unwrap(), 30, "of the longest due");
    assert_eq!(store.settle_mail_to_nobody(at(1), 100).await.unwrap(), 11);
    assert_eq!(store.settle_mail_to_nobody(at(1), 100).await.unwrap(), 0);
    assert_eq!(ids(&claim(&store, 1).await), [200, 201, 202]);
    // The next mail to the address waits for a minute, as after a mail that was sent.
    let again = mail(300, MailKind::ResetPassword, "nobody100@example.com", 0, 2);
    assert!(store.queue_mail(&again).await.unwrap());
    assert!(claim(&store, 60).await.iter().all(|mail| mail.id != again.id));
    assert!(claim(&store, 61).await.iter().any(|mail| mail.id == again.id));
}

pub async fn mail_is_somebody_elses_when_its_lease_is_over(store: Store) {
    store.queue_mail(&mail(1, MailKind::VerifyEmail, "ada@example.com", 0, 0)).await.unwrap();
    let first = claim(&store, 0).await.pop().unwrap();
    assert_eq!((first.attempt, first.kind, first.recipient.as_str()), (1, MailKind::VerifyEmail, "ada@example.com"));
    assert!(claim(&store, 59).await.is_empty());
    let second = claim(&store, 60).await.pop().unwrap();
    assert_eq!(second.attempt, 2);
    assert!(!settle(&store, &first, MailFate::Settled, 61).await, "lost it");
    let later = MailFate::Postponed { until: at(90), cause: "451 later".to_owned() };
    assert!(settle(&store, &second, later, 61).await);
    assert!(claim(&store, 89).await.is_empty());
    let third = claim(&store, 90).await.pop().unwrap();
    assert_eq!(third.attempt, 3);
    assert!(settle(&store, &third, MailFate::Dead { cause: "550 no".to_owned() }, 91).await);
    assert!(claim(&store, 100_000).await.is_empty());

    let dead = store.list_dead_mail(None, 10).await.unwrap().found.pop().unwrap();
    assert_eq!((dead.id.as_u128(), dead.attempts, &*dead.cause), (1, 3, "550 no"));
    assert_eq!((dead.queued_at, dead.died_at, dead.kind), (at(0), at(91), MailKind::VerifyEmail));
    assert!(store.list_dead_mail(Some(dead.id), 10).await.unwrap().found.is_empty());
    assert!(store.retry_dead_mail(dead.id, at(200)).await.unwrap());
    assert!(!store.retry_dead_mail(dead.id, at(200)).await.unwrap());
    assert_eq!(claim(&store, 200).await.pop().unwrap().attempt, 1);

    // A new request for the mail also revives it.
    let again = claim(&store, 300).await.pop().unwrap();
    settle(&store, &again, MailFate::Dead { cause: "550 no".to_owned() }, 300).await;
    assert!(store.queue_mail(&mail(2, MailKind::VerifyEmail, "ada@example.com", 0, 400)).await.unwrap());
    assert!(store.list_dead_mail(None, 10).await.unwrap().found.is_empty());
    assert_eq!(ids(&claim(&store, 400).await), [2]);
}

pub async fn many_take_mail_at_once_and_each_goes_to_one(store: Store) {
    for id in 1..=40 {
        let to = format!("a{id}@example.com");
        store.queue_mail(&mail(id, MailKind::VerifyEmail, &to, 0, 0)).await.unwrap();
    }
    let takers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    match store.claim_mail(3, at(0), LEASE).await.unwrap() {
                        some if some.is_empty() => break mine,
                        some => mine.extend(some),
                    }
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap());
    }
    // A worker that finds all mails locked by others takes none, and no mail is taken twice.
    all.extend(claim(&store, 0).await);
    assert_eq!(ids(&all), (1..=40).collect::<Vec<_>>());
}

pub async fn a_registration_queues_its_mail_or_nothing(store: Store) {
    let new = email(2, "ada@example.com", FIRM);
    let verify = |id| mail(id, MailKind::VerifyEmail, "ada@example.com", 0, 0);
    store.insert_account(&new, None, Some(&verify(1))).await.unwrap();
    assert_eq!(ids(&claim(&store, 0).await), [1]);
    let bo = mail(2, MailKind::VerifyEmail, "bo@example.com", 0, 0);
    let again = store.insert_account(&email(3, "ada@example.com", 8), None, Some(&bo)).await;
    assert!(matches!(again, Err(StoreError::HandleTaken)));
    assert!(claim(&store, 0).await.is_empty());
}

pub async fn an_address_is_verified_by_the_link_that_was_sent_there_and_once(store: Store) {
    ada(&store).await;
    let ticket = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 1).await;
    let other = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 3).await;
    let stored = store.find_ticket(&ticket.digest(), at(4_999)).await.unwrap().unwrap();
    assert_eq!((stored.purpose, stored.account_id), (TicketPurpose::VerifyEmail, Some(Uuid::from_u128(2))));
    assert_eq!((stored.email, stored.expires_at), (address("ada@example.com"), at(5_000)));

    let (digest, until) = (ticket.digest(), at(9_000));
    assert_eq!(store.verify_email(&digest, at(5_000), until).await.unwrap(), None, "expired");
    assert!(store.reset_password(&digest, &hash(OTHER), at(10), until).await.unwrap().is_none(), "for something else");
    assert!(store.change_email(&digest, Uuid::from_u128(99), at(10), until).await.unwrap().is_none());
    assert!(!is_verified(&store, 2).await);
    assert_eq!(store.verify_email(&digest, at(10), until).await.unwrap(), Some(Uuid::from_u128(2)));
    assert!(is_verified(&store, 2).await);
    // All replicas are told, and no session ends.
    assert_eq!(revocations(&store, 0, 0).await, [Revocation::Account { id: Uuid::from_u128(2), epoch: 0 }]);
    assert!(store.find_session(Uuid::from_u128(10)).await.unwrap().is_some());
    for used in [ticket, other, self::ticket(77)] {
        assert_eq!(store.verify_email(&used.digest(), at(10), until).await.unwrap(), None);
        assert!(store.find_ticket(&used.digest(), at(10)).await.unwrap().is_none());
    }
}

pub async fn a_reset_sets_the_password_verifies_and_ends_everything_else(store: Store) {
    ada(&store).await;
    let change = send(&store, MailKind::ChangeEmail, "new@example.com", 2, 1).await;
    let verify = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 2).await;
    let [reset, other] = [
        send(&store, MailKind::ResetPassword, "ada@example.com", 0, 3).await,
        send(&store, MailKind::ResetPassword, "ada@example.com", 0, 5).await,
    ];
    // The intruder that this reset shuts out has asked for this mail.
    store.queue_mail(&mail(50, MailKind::ChangeEmail, "evil@example.com", 2, 700)).await.unwrap();
    let under_way = claim(&store, 700).await.pop().unwrap();
    let guessed =
        [AttemptKey::login(&Handle::parse("ada@example.com").unwrap()), AttemptKey::change(Uuid::from_u128(2))];
    for key in guessed {
        let budget = Budget { key, seen: 0, below: 10 };
        assert_eq!(store.count_failure(&budget, None, at(700)).await.unwrap(), Some(1));
    }
    let done = store.reset_password(&reset.digest(), &hash(OTHER), at(700), at(9_000)).await.unwrap();
    assert_eq!(done, Some(PasswordReset { account_id: Uuid::from_u128(2), epoch: 1 }));

    let found = store.find_credentials(&Handle::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    assert_eq!((found.password_hash.unwrap().to_phc(), found.account.epoch), (OTHER.to_owned(), 1));
    assert!(is_verified(&store, 2).await);
    assert!(store.find_session(Uuid::from_u128(10)).await.unwrap().is_none());
    assert_eq!(revocations(&store, 0, 0).await, [Revocation::Account { id: Uuid::from_u128(2), epoch: 1 }]);
    for key in guessed {
        assert_eq!(store.find_attempts(&key).await.unwrap(), None);
    }
    for used in [reset, other] {
        assert!(store.reset_password(&used.digest(), &hash(HASH), at(700), at(9_000)).await.unwrap().is_none());
    }
    assert!(store.find_ticket(&change.digest(), at(700)).await.unwrap().is_none());
    assert!(store.find_ticket(&verify.digest(), at(700)).await.unwrap().is_some());
    let late = new_ticket(&ticket(66), MailKind::ChangeEmail, Some(Uuid::from_u128(2)));
    assert!(!store.issue_ticket(&under_way, &late).await.unwrap(), "it was taken back while it was under way");

    // A disabled account cannot be reset, and a link from before stays void after the account is enabled again.
    let reset = send(&store, MailKind::ResetPassword, "ada@example.com", 0, 9).await;
    store.set_status(Uuid::from_u128(2), AccountStatus::Inactive, at(9_000)).await.unwrap();
    assert!(store.reset_password(&reset.digest(), &hash(HASH), at(960), at(9_000)).await.unwrap().is_none());
    store.set_status(Uuid::from_u128(2), AccountStatus::Active, at(9_000)).await.unwrap();
    store.set_password(Uuid::from_u128(2), &hash(HASH), at(9_000)).await.unwrap();
    assert!(store.reset_password(&reset.digest(), &hash(HASH), at(960), at(9_000)).await.unwrap().is_none());
}

pub async fn a_changed_address_was_proven_and_the_old_one_is_told(store: Store) {
    ada(&store).await;
    store.insert_account(&email(3, "bo@example.com", 8), None, None).await.unwrap();
    let taken = send(&store, MailKind::ChangeEmail, "bo@example.com", 2, 1).await;
    let change = send(&store, MailKind::ChangeEmail, "new@example.com", 2, 2).await;
    let reset = send(&store, MailKind::ResetPassword, "ada@example.com", 0, 3).await;
    let verify = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 5).await;
    let using =
        async |ticket: &Ticket| store.change_email(&ticket.digest(), Uuid::from_u128(99), at(600), at(9_000)).await;
    assert!(matches!(using(&taken).await, Err(StoreError::HandleTaken)));
    assert!(store.find_ticket(&taken.digest(), at(600)).await.unwrap().is_some(), "it stays");

    let (account_id, from, to) = (Uuid::from_u128(2), address("ada@example.com"), address("new@example.com"));
    assert_eq!(using(&change).await.unwrap(), Some(EmailChange { account_id, from: from.clone(), to, epoch: 0 }));
    assert_eq!(using(&change).await.unwrap(), None);
    assert_eq!(using(&taken).await.unwrap(), None, "every other link is void");
    assert!(store.find_credentials(&Handle::Email(from.clone())).await.unwrap().is_none());
    assert!(store.find_credentials(&Handle::parse("new@example.com").unwrap()).await.unwrap().is_some());
    assert!(is_verified(&store, 2).await);
    assert!(store.find_session(Uuid::from_u128(10)).await.unwrap().is_some());
    assert_eq!(revocations(&store, 0, 0).await, [Revocation::Account { id: account_id, epoch: 0 }]);
    let notice = claim(&store, 600).await.pop().unwrap();
    assert_eq!((notice.id.as_u128(), notice.kind, &notice.recipient), (99, MailKind::EmailChanged, &from));
    assert_eq!(notice.subject, account_id);
    // Tickets that were sent to the old address are void.
    for old in [&reset, &verify] {
        assert!(store.find_ticket(&old.digest(), at(600)).await.unwrap().is_none());
    }
    assert!(store.reset_password(&reset.digest(), &hash(OTHER), at(600), at(9_000)).await.unwrap().is_none());
    assert_eq!(store.verify_email(&verify.digest(), at(600), at(9_000)).await.unwrap(), None);
}

/// Uses a ticket 32 times concurrently, and returns how many uses succeeded.
async fn winners<F: Future<Output = bool> + Send + 'static>(using: impl Fn(u128) -> F) -> usize {
    let users: Vec<_> = (0..32).map(|number| tokio::spawn(using(number))).collect();
    let mut winners = 0;
    for user in users {
        winners += usize::from(user.await.unwrap());
    }
    winners
}

pub async fn of_32_who_use_one_ticket_at_once_exactly_one_wins(store: Store) {
    ada(&store).await;
    let verify = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 1).await.digest();
    let resets = [
        send(&store, MailKind::ResetPassword, "ada@example.com", 0, 3).await.digest(),
        send(&store, MailKind::ResetPassword, "ada@example.com", 0, 5).await.digest(),
    ];
    let shared = || Arc::clone(&store);
    let verified = winners(|_| {
        let (store, digest) = (shared(), verify.clone());
        async move { store.verify_email(&digest, at(10), at(9_000)).await.unwrap().is_some() }
    });
    assert_eq!(verified.await, 1);
    // Two links of one account are used concurrently. One use voids both.
    let reset = winners(|number| {
        let (store, digest) = (shared(), resets[number as usize % 2].clone());
        async move { store.reset_password(&digest, &hash(OTHER), at(10), at(9_000)).await.unwrap().is_some() }
    });
    assert_eq!(reset.await, 1);
    assert_eq!(store.find_account(Uuid::from_u128(2)).await.unwrap().unwrap().epoch, 1);
    let change = send(&store, MailKind::ChangeEmail, "new@example.com", 2, 7).await.digest();
    let changed = winners(|number| {
        let (store, digest, notice) = (shared(), change.clone(), Uuid::from_u128(2_000 + number));
        async move { store.change_email(&digest, notice, at(10), at(9_000)).await.unwrap().is_some() }
    });
    assert_eq!(changed.await, 1);
    store
        .create_invitation(&invitation(30, "grace@example.com", Role::User, 1_000), Uuid::from_u128(500))
        .await
        .unwrap();
    let mail = claim(&store, 1_000).await.into_iter().find(|mail| mail.kind == MailKind::Invitation).unwrap();
    let invited = [ticket(40), ticket(41)];
    for ticket in &invited {
        assert!(store.issue_ticket(&mail, &new_ticket(ticket, MailKind::Invitation, None)).await.unwrap());
    }
    let accepted = winners(|number| {
        let (store, digest) = (shared(), invited[number as usize % 2].digest());
        let grace = joining(3_000 + number, "grace@example.com", Role::User);
        async move { store.accept_invitation(&digest, &grace, at(1_001)).await.unwrap() }
    });
    assert_eq!(accepted.await, 1);
}

pub async fn purging_forgets_mail_that_went_and_links_that_expired(store: Store) {
    ada(&store).await;
    let ticket = send(&store, MailKind::VerifyEmail, "ada@example.com", 0, 1).await;
    store.create_invitation(&invitation(30, "grace@example.com", Role::User, 0), Uuid::from_u128(100)).await.unwrap();
    let dead = claim(&store, 160).await.pop().unwrap();
    settle(&store, &dead, MailFate::Dead { cause: "550".to_owned() }, 160).await;
    // A sent mail delays the next one for a minute.
    store.purge(at(219)).await.unwrap();
    store.queue_mail(&mail(1, MailKind::VerifyEmail, "ada@example.com", 0, 219)).await.unwrap();
    assert!(claim(&store, 219).await.is_empty());
    let sent = claim(&store, 220).await.pop().unwrap();
    settle(&store, &sent, MailFate::Settled, 220).await;
    store.purge(at(3_999)).await.unwrap();
    assert!(store.find_ticket(&ticket.digest(), at(0)).await.unwrap().is_some());
    assert!(store.find_invitation(Uuid::from_u128(30), at(0)).await.unwrap().is_some());
    assert_eq!(store.list_dead_mail(None, 10).await.unwrap().found.len(), 1);
    store.purge(at(5_000)).await.unwrap();
    assert!(store.find_ticket(&ticket.digest(), at(0)).await.unwrap().is_none());
    assert!(store.find_invitation(Uuid::from_u128(30), at(0)).await.unwrap().is_none());
    store.purge(at(160 + 30 * 86_400)).await.unwrap();
    assert!(store.list_dead_mail(None, 10).await.unwrap().found.is_empty());
}

pub async fn a_change_of_address_is_queued_only_while_what_was_proved_holds(store: Store) {
    let ada = ada(&store).await;
    let seen = store.credentials_of(ada.id).await.unwrap().unwrap();
    let change = mail(50, MailKind::ChangeEmail, "new@example.com", 2, 0);
    let queue = async |seen, session| store.queue_email_change(seen, Uuid::from_u128(session), &change).await.unwrap();
    assert!(!queue(&seen, 11).await, "a session that has ended, or never was");
    assert!(claim(&store, 0).await.is_empty());
    assert!(queue(&seen, 10).await);
    assert_eq!(ids(&claim(&store, 0).await), [50]);
    store.set_password(ada.id, &hash(OTHER), at(9_000)).await.unwrap();
    let opening = Opening { session: session(12, &ada, 1), password_changes: 1, factor_changes: 0, budget: None };
    assert!(store.open_session(&opening).await.is_ok());
    assert!(!queue(&seen, 12).await, "another password");
    assert!(claim(&store, 5_000).await.is_empty(), "what was queued before is taken back");
}
