//! The promises of every store about sessions: listing, ending several, and the time of the last token. Also about
//! roles, because a change of role ends sessions.

use std::time::Duration;

use countersign::domain::{AccountStatus, Client, NewAccount, Role, Session};
use countersign::store::{EndedSession, SessionPage, StoredSession};
use countersign_guard::revocations::Revocation;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Store, at, email, opening, username};

/// The revocations after this position that still count at this time.
pub async fn revocations(store: &Store, after: i64, now: i64) -> Vec<Revocation> {
    store.revocations_after(after, at(now)).await.unwrap().into_iter().map(|stored| stored.revocation).collect()
}

/// A session from `created` to 1,000. Each of its tokens lives for 100.
fn session(id: u128, account: &NewAccount, created: i64) -> Session {
    Session {
        created_at: at(created),
        expires_at: at(1_000),
        token_lifetime: Duration::from_secs(100),
        ..super::session(id, account, 0)
    }
}

/// The first page at that time, without a margin.
fn page(now: i64) -> SessionPage {
    SessionPage { after: None, limit: 100, now: at(now), tokens_since: at(now) }
}

async fn listed(store: &Store, account: &NewAccount, page: &SessionPage) -> Vec<u128> {
    let sessions = store.list_sessions(account.id, page).await.unwrap().found;
    sessions.iter().map(|stored| stored.session.id.as_u128()).collect()
}

async fn last_token_at(store: &Store, id: u128) -> Option<OffsetDateTime> {
    store.find_session(Uuid::from_u128(id)).await.unwrap().map(|stored| stored.last_token_at)
}

pub async fn a_session_is_found_and_listed_as_it_was_stored(store: Store) {
    let new = username(1, "alice");
    let clients = [
        Client::default(),
        Client::new("Browser/1 (ma\u{f1}ana 🦀; 'x')", Some("203.0.113.7".parse().unwrap())),
        Client::new(&"\u{4e16}".repeat(200), Some("2001:db8::1".parse().unwrap())),
    ];
    let first = Session { client: clients[0].clone(), ..session(10, &new, 0) };
    store.insert_account(&new, Some(&first), None).await.unwrap();
    let mut all = vec![first];
    for (id, client) in (11..).zip(&clients[1..]) {
        // Times are stored to the millisecond.
        let created_at = at(0) + Duration::from_millis(1);
        all.push(Session { client: client.clone(), created_at, ..session(id, &new, 0) });
        assert!(store.open_session(&opening(all.last().unwrap().clone())).await.unwrap().is_open());
    }
    let stored = |session: &Session| StoredSession { session: session.clone(), last_token_at: session.created_at };
    for session in &all {
        assert_eq!(store.find_session(session.id).await.unwrap(), Some(stored(session)));
    }
    let expected: Vec<_> = all.iter().rev().map(stored).collect();
    assert_eq!(store.list_sessions(new.id, &page(1)).await.unwrap().found, expected);
    assert_eq!(store.find_session(Uuid::from_u128(99)).await.unwrap(), None);
    assert_eq!(store.list_sessions(Uuid::from_u128(99), &page(1)).await.unwrap().found, []);
}

pub async fn sessions_are_listed_newest_first_from_where_a_page_ended(store: Store) {
    let (alice, bobby) = (username(1, "alice"), username(2, "bobby"));
    store.insert_account(&alice, None, None).await.unwrap();
    store.insert_account(&bobby, Some(&session(50, &bobby, 3)), None).await.unwrap();
    // The order is neither that of ids nor that of insertion. Three sessions begin at the same time.
    for (id, created) in [(30, 5), (12, 5), (40, 1), (11, 9), (20, 5)] {
        assert!(store.open_session(&opening(session(id, &alice, created))).await.unwrap().is_open());
    }
    let expected = [11, 30, 20, 12, 40];
    assert_eq!(listed(&store, &alice, &page(10)).await, expected);
    for limit in 1..=6 {
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let some = store.list_sessions(alice.id, &SessionPage { after, limit, ..page(10) }).await.unwrap().found;
            let Some(last) = some.last() else { break };
            after = Some((last.session.created_at, last.session.id));
            assert!(some.len() <= limit as usize);
            walked.extend(some.iter().map(|stored| stored.session.id.as_u128()));
        }
        assert_eq!(walked, expected, "{limit} at a time");
    }
    // The session at this place has ended.
    let after = Some((at(5), Uuid::from_u128(25)));
    assert_eq!(listed(&store, &alice, &SessionPage { after, ..page(10) }).await, [20, 12, 40]);
}

pub async fn a_session_is_listed_while_a_token_of_it_can_be_good(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, Some(&session(10, &new, 0)), None).await.unwrap();
    assert_eq!(listed(&store, &new, &page(99)).await, [10]);
    assert!(listed(&store, &new, &page(100)).await.is_empty(), "its one token expires at this second");
    let with_margin = SessionPage { tokens_since: at(99), ..page(129) };
    assert_eq!(listed(&store, &new, &with_margin).await, [10]);
    store.note_last_tokens(&[(Uuid::from_u128(10), at(950))]).await.unwrap();
    assert_eq!(listed(&store, &new, &page(999)).await, [10]);
    assert!(listed(&store, &new, &page(1_000)).await.is_empty(), "the ceiling");
    store.end_session(Uuid::from_u128(10), at(1_000)).await.unwrap();
    assert!(listed(&store, &new, &page(999)).await.is_empty());
    assert_eq!(store.find_session(Uuid::from_u128(10)).await.unwrap(), None);
}

pub async fn the_time_of_a_last_token_only_moves_on(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, Some(&session(10, &new, 0)), None).await.unwrap();
    assert!(store.open_session(&opening(session(11, &new, 0))).await.unwrap().is_open());
    let ids = [10, 11, 99].map(Uuid::from_u128);
    store.note_last_tokens(&[]).await.unwrap();
    // The last session has ended meanwhile.
    store.note_last_tokens(&ids.map(|id| (id, at(50)))).await.unwrap();
    store.note_last_tokens(&[(ids[0], at(40)), (ids[1], at(60))]).await.unwrap();
    assert_eq!(last_token_at(&store, 10).await, Some(at(50)));
    assert_eq!(last_token_at(&store, 11).await, Some(at(60)));
    assert_eq!(last_token_at(&store, 99).await, None);
}

pub async fn all_sessions_of_an_account_but_one_end_together(store: Store) {
    let (alice, bobby) = (username(1, "alice"), username(2, "bobby"));
    store.insert_account(&alice, Some(&session(10, &alice, 0)), None).await.unwrap();
    store.insert_account(&bobby, Some(&session(50, &bobby, 0)), None).await.unwrap();
    let late = Session { expires_at: at(120), ..session(11, &alice, 7) };
    for session in [&late, &session(12, &alice, 8)] {
        assert!(store.open_session(&opening(session.clone())).await.unwrap().is_open());
    }
    let mut ended = store.end_sessions(alice.id, Some(Uuid::from_u128(12)), at(30)).await.unwrap();
    ended.sort_by_key(|ended| ended.stored.session.id);
    let expected = |session: Session, until: i64| {
        let last_token_at = session.created_at;
        EndedSession { stored: StoredSession { session, last_token_at }, until: at(until) }
    };
    // A revocation expires one token lifetime after the given time. The ceiling at sign-in does not matter, because a
    // setting may have raised it since.
    assert_eq!(ended, [expected(session(10, &alice, 0), 130), expected(late, 130)]);
    assert_eq!(listed(&store, &alice, &page(9)).await, [12]);
    assert_eq!(listed(&store, &bobby, &page(9)).await, [50]);
    let stored = store.revocations_after(0, at(0)).await.unwrap();
    let mut stored: Vec<_> = stored.iter().map(|stored| (stored.revocation, stored.until)).collect();
    stored.sort_by_key(|(revocation, _)| format!("{revocation:?}"));
    let revocation = |id: u128, until: i64| (Revocation::Session(Uuid::from_u128(id)), at(until));
    assert_eq!(stored, [revocation(10, 130), revocation(11, 130)]);

    let ended = store.end_sessions(alice.id, None, at(30)).await.unwrap();
    assert_eq!(ended.iter().map(|ended| ended.stored.session.id.as_u128()).collect::<Vec<_>>(), [12]);
    for nobody in [alice.id, Uuid::from_u128(99)] {
        assert_eq!(store.end_sessions(nobody, None, at(30)).await.unwrap(), []);
    }
    assert_eq!(revocations(&store, 0, 0).await.len(), 3);
    assert!(
        store.open_session(&opening(session(13, &alice, 9))).await.unwrap().is_open(),
        "the account signs in as before"
    );
}

pub async fn a_thousand_sessions_end_together(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, None, None).await.unwrap();
    for id in 1..=1_001 {
        assert!(store.open_session(&opening(session(id, &new, 0))).await.unwrap().is_open());
    }
    assert_eq!(store.end_sessions(new.id, None, at(0)).await.unwrap().len(), 1_001);
    let mut ended = revocations(&store, 0, 0).await;
    ended.sort_by_key(|revocation| if let Revocation::Session(id) = revocation { id.as_u128() } else { 0 });
    assert_eq!(ended, (1..=1_001).map(|id| Revocation::Session(Uuid::from_u128(id))).collect::<Vec<_>>());
    // More rows than are deleted at once.
    store.purge(at(100)).await.unwrap();
    assert_eq!(revocations(&store, 0, 0).await, []);
}

pub async fn a_changed_role_counts_the_epoch_and_ends_all_sessions(store: Store) {
    let (ada, alice) = (email(1, "ada@example.com", 7), username(2, "alice"));
    store.insert_account(&ada, Some(&session(10, &ada, 0)), None).await.unwrap();
    store.insert_account(&alice, Some(&session(20, &alice, 0)), None).await.unwrap();
    assert_eq!(store.set_role(ada.id, Role::Admin, at(100)).await.unwrap(), None, "it has it already");
    assert_eq!(listed(&store, &ada, &page(9)).await, [10]);
    for (role, epoch) in [(Role::Viewer, 1), (Role::User, 2), (Role::Admin, 3)] {
        assert_eq!(store.set_role(ada.id, role, at(100)).await.unwrap(), Some(epoch));
        let account = store.find_account(ada.id).await.unwrap().unwrap();
        assert_eq!((account.epoch, account.status), (epoch, AccountStatus::Active));
        let countersign::domain::Identity::Email { role: found, .. } = account.identity else { panic!() };
        assert_eq!(found, role);
    }
    assert!(listed(&store, &ada, &page(9)).await.is_empty());
    let ended = [1, 2, 3].map(|epoch| Revocation::Account { id: ada.id, epoch });
    assert_eq!(revocations(&store, 0, 0).await, ended);
    assert_eq!(revocations(&store, 0, 100).await, []);
    for nobody in [alice.id, Uuid::from_u128(99)] {
        assert_eq!(store.set_role(nobody, Role::Admin, at(100)).await.unwrap(), None);
    }
    assert_eq!(listed(&store, &alice, &page(9)).await, [20], "a username account has no role");
}

pub async fn revocations_are_told_in_order_from_where_one_stopped_until_they_expire(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, Some(&super::session(10, &new, 0)), None).await.unwrap();
    let [first, second] = [10, 11].map(Uuid::from_u128);
    store.end_session(first, at(20)).await.unwrap();
    store.set_status(new.id, AccountStatus::Inactive, at(30)).await.unwrap();
    store.end_session(second, at(10)).await.unwrap();
    store.end_session(first, at(20)).await.unwrap();

    let account = Revocation::Account { id: new.id, epoch: 1 };
    let [first, second] = [first, second].map(Revocation::Session);
    let all = store.revocations_after(0, at(0)).await.unwrap();
    let told: Vec<_> = all.iter().map(|stored| stored.revocation).collect();
    assert_eq!(told[..3], [first, account, second]);
    assert!(told[3..].iter().all(|again| *again == first), "saying it twice changes nothing more");
    assert_eq!(all[..3].iter().map(|stored| stored.until).collect::<Vec<_>>(), [at(20), at(30), at(10)]);
    assert!(all.is_sorted_by(|one, next| one.seq < next.seq));
    assert_eq!(revocations(&store, all[1].seq, 0).await[0], second);
    assert_eq!(revocations(&store, all.last().unwrap().seq, 0).await, []);
    assert_eq!(revocations(&store, 0, 9).await[..3], told[..3]);
    assert_eq!(revocations(&store, 0, 10).await[..2], [first, account], "needed until, and not at");
    assert_eq!(revocations(&store, 0, 20).await, [account]);
    assert_eq!(revocations(&store, 0, 30).await, []);
}

pub async fn purging_forgets_what_has_expired_and_never_reuses_a_place(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, Some(&super::session(10, &new, 0)), None).await.unwrap();
    for (id, until) in [(11, 20), (12, 30)] {
        store.end_session(Uuid::from_u128(id), at(until)).await.unwrap();
    }
    let last = store.revocations_after(0, at(0)).await.unwrap()[1].seq;
    store.purge(at(20)).await.unwrap();
    assert_eq!(revocations(&store, 0, 0).await, [Revocation::Session(Uuid::from_u128(12))]);
    store.purge(at(30)).await.unwrap();
    assert_eq!(revocations(&store, 0, 0).await, []);
    assert!(store.find_account(new.id).await.unwrap().is_some(), "an account is never forgotten");
    store.end_session(Uuid::from_u128(13), at(40)).await.unwrap();
    let next = store.revocations_after(last, at(0)).await.unwrap();
    assert_eq!(next.len(), 1, "a reader that stopped at the last place hears of the next one");
}
