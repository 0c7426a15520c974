//! The promises of every store, as one suite for all engines. Each test gets an empty store of an engine unknown to it.

mod admin;
mod administrators;
mod attempts;
mod audit;
mod factors;
mod invitations;
mod mail;
mod sessions;
mod signing_key;
mod token_keys;

use std::sync::Arc;
use std::time::Duration;

use countersign::domain::{
    Account, AccountStatus, Authority, Client, Email, Firm, FirmName, Handle, Identity, NewAccount, PasswordHash,
    PersonName, Role, Session, Username,
};
use countersign::store::{self, Opening, Purpose, StoreError};
use countersign_guard::revocations::Revocation;
use time::OffsetDateTime;
use uuid::Uuid;
use {
    admin::*, administrators::*, attempts::*, audit::*, factors::*, invitations::*, mail::*, sessions::*,
    signing_key::*, token_keys::*,
};

type Store = Arc<dyn store::Store>;

/// Makes a test of each function for each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let dir = tempfile::tempdir().unwrap();
                    let url = format!("sqlite:{}", dir.path().join("store.db").display());
                    super::$test(super::open(&url).await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(database) = crate::support::postgres::Database::create().await else { return };
                    super::$test(super::open(&database.url()).await).await;
                }
            )+
        }
    };
}

// These modules use the macro, so they stand after it.
mod import;

on_every_engine!(
    of_many_servers_that_start_with_different_secrets_one_stores_its_digest,
    a_key_is_published_signs_and_goes,
    a_revoked_key_never_comes_back_and_the_next_one_takes_its_place,
    the_kinds_of_keys_are_switched_once_and_forgotten,
    of_many_servers_that_change_the_keys_one_succeeds_and_all_are_told,
    an_account_is_found_as_it_was_stored,
    nobody_is_found_in_an_empty_store,
    a_name_is_taken_once_and_nothing_of_the_second_is_stored,
    of_many_registrations_of_one_name_exactly_one_wins,
    many_writers_wait_for_each_other_and_none_is_turned_away,
    accounts_are_listed_in_pages_in_the_order_of_registration,
    a_hash_is_replaced_only_if_it_is_still_the_old_one,
    a_session_opens_only_for_an_active_account_in_its_own_epoch,
    a_login_that_raced_a_disable_loses_whoever_comes_first,
    disabling_counts_the_epoch_and_enabling_does_not,
    deleting_takes_the_firm_with_its_last_account,
    revocations_are_told_in_order_from_where_one_stopped_until_they_expire,
    purging_forgets_what_has_expired_and_never_reuses_a_place,
    a_session_is_found_and_listed_as_it_was_stored,
    sessions_are_listed_newest_first_from_where_a_page_ended,
    a_session_is_listed_while_a_token_of_it_can_be_good,
    the_time_of_a_last_token_only_moves_on,
    all_sessions_of_an_account_but_one_end_together,
    a_thousand_sessions_end_together,
    a_changed_role_counts_the_epoch_and_ends_all_sessions,
    failures_are_counted_until_they_are_forgotten_and_none_that_comes_too_late,
    a_sign_in_begins_with_the_account_and_the_failures_whichever_there_are,
    a_session_opens_in_time_and_forgets_the_failures_before_it,
    of_many_guesses_at_once_no_more_count_than_may_and_no_success_comes_after_them,
    counts_that_are_idle_are_forgotten_but_for_accounts_that_have_reached_so_many,
    a_change_of_address_is_queued_only_while_what_was_proved_holds,
    mail_is_queued_once_and_goes_once_a_minute_to_a_recipient,
    mail_that_strangers_ask_for_holds_up_no_mail_of_an_account,
    mail_is_somebody_elses_when_its_lease_is_over,
    many_take_mail_at_once_and_each_goes_to_one,
    a_registration_queues_its_mail_or_nothing,
    an_address_is_verified_by_the_link_that_was_sent_there_and_once,
    a_reset_sets_the_password_verifies_and_ends_everything_else,
    a_changed_address_was_proven_and_the_old_one_is_told,
    of_32_who_use_one_ticket_at_once_exactly_one_wins,
    an_invitation_is_listed_accepted_once_and_as_it_was_made,
    an_invitation_whose_address_was_taken_meanwhile_stays,
    purging_forgets_mail_that_went_and_links_that_expired,
    second_factors_change_only_while_the_account_is_as_its_owner_saw_it,
    a_code_and_a_ticket_open_one_session_and_forget_the_failures_before_it,
    of_32_that_use_one_step_at_once_exactly_one_signs_in,
    an_event_is_read_as_it_was_written_and_with_its_firm,
    events_are_asked_for_by_whom_what_when_and_page_by_page,
    old_events_are_deleted_the_oldest_first_and_so_many_at_most,
    accounts_are_asked_for_by_firm_role_status_and_the_beginning_of_their_names,
    what_changes_of_an_account_changes_at_once_and_is_told,
    the_last_administrator_of_a_firm_stays_unless_it_is_forced,
    of_two_administrators_that_remove_each_other_at_once_one_stays,
    of_two_administrators_with_nobody_else_that_remove_each_other_at_once_one_stays,
    firms_are_listed_in_the_order_of_their_making_with_their_accounts,
);

async fn open(url: &str) -> Store {
    store::open(url, Purpose::Serve).await.unwrap()
}

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";
const OTHER: &str = "$argon2id$v=19$m=16,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000 + second).unwrap()
}

fn hash(phc: &str) -> PasswordHash {
    PasswordHash::parse(phc).unwrap()
}

fn username(id: u128, name: &str) -> NewAccount {
    let identity = Identity::Username(Username::parse(name).unwrap());
    NewAccount { id: Uuid::from_u128(id), identity, joins: false, password_hash: Some(hash(HASH)), created_at: at(0) }
}

fn email(id: u128, address: &str, firm: u128) -> NewAccount {
    let identity = Identity::Email {
        email: Email::parse(address).unwrap(),
        name: PersonName::parse("Ada Lovelace").unwrap(),
        firm: Firm { id: Uuid::from_u128(firm), name: FirmName::parse("Analytical").unwrap() },
        role: Role::Admin,
        verified: false,
    };
    NewAccount { id: Uuid::from_u128(id), identity, joins: false, password_hash: Some(hash(HASH)), created_at: at(0) }
}

fn session(id: u128, account: &NewAccount, epoch: i64) -> Session {
    Session {
        id: Uuid::from_u128(id),
        account_id: account.id,
        epoch,
        created_at: at(0),
        expires_at: at(100),
        token_lifetime: Duration::from_secs(10),
        client: Client::default(),
    }
}

fn opening(session: Session) -> Opening {
    Opening { session, password_changes: 0, factor_changes: 0, budget: None }
}

fn stored(new: &NewAccount) -> Account {
    Account {
        id: new.id,
        identity: new.identity.clone(),
        status: AccountStatus::Active,
        epoch: 0,
        created_at: new.created_at,
        platform_admin: false,
    }
}

async fn an_account_is_found_as_it_was_stored(store: Store) {
    for new in [username(1, "alice"), email(2, "ada@example.com", 7), username(3, "ma\u{f1}ana 🦀")] {
        store.insert_account(&new, None, None).await.unwrap();
        let expected = stored(&new);
        assert_eq!(store.find_account(new.id).await.unwrap().as_ref(), Some(&expected));
        let credentials = store.find_credentials(&new.identity.handle()).await.unwrap().unwrap();
        assert_eq!(credentials.account, expected);
        assert_eq!(*credentials.password_hash.unwrap().to_phc(), *HASH);
    }
}

async fn nobody_is_found_in_an_empty_store(store: Store) {
    let (id, until) = (Uuid::from_u128(1), at(100));
    for handle in ["alice", "ada@example.com"] {
        assert!(store.find_credentials(&Handle::parse(handle).unwrap()).await.unwrap().is_none());
    }
    assert!(store.find_account(id).await.unwrap().is_none());
    assert!(store.list_accounts(None, 10).await.unwrap().found.is_empty());
    assert!(!store.replace_hash(id, &hash(HASH), &hash(OTHER)).await.unwrap());
    assert!(!store.open_session(&opening(session(9, &username(1, "alice"), 0))).await.unwrap().is_open());
    for status in [AccountStatus::Active, AccountStatus::Inactive] {
        assert_eq!(store.set_status(id, status, until).await.unwrap(), None);
    }
    assert_eq!(store.delete_account(id, until, Authority::Operator).await.unwrap(), None);
    assert_eq!(revocations(&store, 0, 0).await, [], "nothing of that ended anything");
    store.purge(at(0)).await.unwrap();
}

async fn a_name_is_taken_once_and_nothing_of_the_second_is_stored(store: Store) {
    store.insert_account(&username(1, "alice"), None, None).await.unwrap();
    store.insert_account(&email(2, "ada@example.com", 7), None, None).await.unwrap();
    for second in [username(3, "alice"), email(4, "ada@example.com", 8)] {
        let session = session(9, &second, 0);
        let error = store.insert_account(&second, Some(&session), None).await.unwrap_err();
        assert!(matches!(error, StoreError::HandleTaken), "{error:?}");
        assert!(store.find_account(second.id).await.unwrap().is_none());
    }
    // The firm was not stored either. Otherwise it could not be stored now.
    store.insert_account(&email(5, "bo@example.com", 8), None, None).await.unwrap();
    // A taken id is an error of its own, and not reported as a taken name.
    let error = store.insert_account(&username(1, "bobby"), None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

async fn of_many_registrations_of_one_name_exactly_one_wins(store: Store) {
    for (round, make) in [
        (0, &(|id| username(id, "alice")) as &(dyn Fn(u128) -> NewAccount + Sync)),
        (1, &|id| email(id, "ada@example.com", id)),
    ] {
        let racers: Vec<_> = (1..=64)
            .map(|id| {
                let (store, new) = (Arc::clone(&store), make(1_000 * round + id));
                tokio::spawn(async move { store.insert_account(&new, None, None).await.map(|()| new.id) })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(id) => winners.push(id),
                Err(error) => assert!(matches!(error, StoreError::HandleTaken), "{error:?}"),
            }
        }
        let [winner] = winners[..] else { panic!("{} won", winners.len()) };
        let found = store.find_credentials(&make(1).identity.handle()).await.unwrap().unwrap();
        assert_eq!(found.account.id, winner);
    }
}

async fn many_writers_wait_for_each_other_and_none_is_turned_away(store: Store) {
    let writers: Vec<_> = (1..=64)
        .map(|writer: u128| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for turn in 0..4 {
                    let id = 10 * writer + turn;
                    let new = username(id, &format!("writer {id}"));
                    store.insert_account(&new, Some(&session(id, &new, 0)), None).await?;
                    assert!(store.open_session(&opening(session(10_000 + id, &new, 0))).await?.is_open());
                    store.end_session(Uuid::from_u128(id), at(100)).await?;
                    assert!(store.find_account(new.id).await?.is_some());
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(store.list_accounts(None, 1_000).await.unwrap().found.len(), 256);
    assert_eq!(revocations(&store, 0, 0).await.len(), 256);
}

async fn accounts_are_listed_in_pages_in_the_order_of_registration(store: Store) {
    let all: Vec<_> = (1..=5).map(|id| username(id, &format!("name {id}"))).collect();
    for new in all.iter().rev() {
        store.insert_account(new, None, None).await.unwrap();
    }
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_accounts(after, 2).await.unwrap().found;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.push(page);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), all.iter().map(stored).collect::<Vec<_>>());
}

async fn a_hash_is_replaced_only_if_it_is_still_the_old_one(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, None, None).await.unwrap();
    assert!(!store.replace_hash(new.id, &hash(OTHER), &hash(OTHER)).await.unwrap(), "it was another");
    assert!(store.replace_hash(new.id, &hash(HASH), &hash(OTHER)).await.unwrap());
    assert!(!store.replace_hash(new.id, &hash(HASH), &hash(HASH)).await.unwrap(), "it is no longer the old one");
    let found = store.find_credentials(&new.identity.handle()).await.unwrap().unwrap();
    assert_eq!(*found.password_hash.unwrap().to_phc(), *OTHER);
}

async fn a_session_opens_only_for_an_active_account_in_its_own_epoch(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, Some(&session(10, &new, 0)), None).await.unwrap();
    assert!(store.open_session(&opening(session(11, &new, 0))).await.unwrap().is_open());
    assert!(
        !store.open_session(&opening(session(12, &new, 1))).await.unwrap().is_open(),
        "an epoch that has not begun"
    );
    store.set_status(new.id, AccountStatus::Inactive, at(100)).await.unwrap();
    for epoch in [0, 1] {
        assert!(
            !store.open_session(&opening(session(13, &new, epoch))).await.unwrap().is_open(),
            "inactive, epoch {epoch}"
        );
    }
    store.set_status(new.id, AccountStatus::Active, at(100)).await.unwrap();
    assert!(
        !store.open_session(&opening(session(14, &new, 0))).await.unwrap().is_open(),
        "read before it was disabled"
    );
    assert!(store.open_session(&opening(session(15, &new, 1))).await.unwrap().is_open());
    store.delete_account(new.id, at(100), Authority::Operator).await.unwrap();
    assert!(!store.open_session(&opening(session(16, &new, 1))).await.unwrap().is_open(), "deleted");
}

async fn a_login_that_raced_a_disable_loses_whoever_comes_first(store: Store) {
    for round in 1..=32 {
        let new = username(round, &format!("name {round}"));
        store.insert_account(&new, None, None).await.unwrap();
        let (logging_in, opening) = (Arc::clone(&store), opening(session(1_000 + round, &new, 0)));
        let login = tokio::spawn(async move { logging_in.open_session(&opening).await.unwrap().is_open() });
        let epoch = store.set_status(new.id, AccountStatus::Inactive, at(100)).await.unwrap();
        // The session was not opened, or it has the old epoch. Its token is dead in both cases.
        login.await.unwrap();
        assert_eq!(epoch, Some(1));
        assert!(revocations(&store, 0, 0).await.contains(&Revocation::Account { id: new.id, epoch: 1 }));
    }
}

async fn disabling_counts_the_epoch_and_enabling_does_not(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, None, None).await.unwrap();
    use AccountStatus::{Active, Inactive};
    for (status, expected) in [
        (Active, None),
        (Inactive, Some(1)),
        (Inactive, None),
        (Active, Some(1)),
        (Inactive, Some(2)),
        (Active, Some(2)),
    ] {
        assert_eq!(store.set_status(new.id, status, at(100)).await.unwrap(), expected);
        assert_eq!(store.find_account(new.id).await.unwrap().unwrap().status, status);
    }
    assert_eq!(store.find_account(new.id).await.unwrap().unwrap().epoch, 2);
    let ended = [1, 2].map(|epoch| Revocation::Account { id: new.id, epoch });
    assert_eq!(revocations(&store, 0, 0).await, ended, "one for each time that it was disabled");
    assert_eq!(
        store.delete_account(new.id, at(100), Authority::Operator).await.unwrap(),
        Some(3),
        "the first epoch never used"
    );
    assert_eq!(revocations(&store, 0, 0).await[2], Revocation::Account { id: new.id, epoch: 3 });
}

async fn deleting_takes_the_firm_with_its_last_account(store: Store) {
    let first = email(1, "ada@example.com", 7);
    store.insert_account(&first, Some(&session(10, &first, 0)), None).await.unwrap();
    assert!(
        matches!(store.insert_account(&email(2, "bo@example.com", 7), None, None).await, Err(StoreError::Corrupt(_))),
        "nobody joins a firm by its id"
    );
    assert_eq!(store.delete_account(first.id, at(100), Authority::Operator).await.unwrap(), Some(1));
    assert!(store.find_account(first.id).await.unwrap().is_none());
    assert!(store.find_credentials(&first.identity.handle()).await.unwrap().is_none());
    assert_eq!(store.delete_account(first.id, at(100), Authority::Operator).await.unwrap(), None, "once");
    // The name and the firm can be used again by a new account.
    store.insert_account(&email(2, "ada@example.com", 7), None, None).await.unwrap();
}
