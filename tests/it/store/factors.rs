//! The store of second factors: changes are made only to the account that their author saw, and each code and each
//! ticket opens one session.

use countersign::domain::AttemptKey;
use countersign::store::{
    Budget, Completed, FactorChange, FactorProof, LoginCompletion, Opening, SealedTotp, SeenAccount, StoredFactors,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Store, at, opening, session, username};
use countersign::domain::NewAccount;

fn budget(key: AttemptKey) -> Budget {
    Budget { key, seen: 0, below: 10 }
}

/// A sign-in of `account`, whose second factors were changed once.
fn completion(account: &NewAccount, new_session: u128, ticket: u128, step: i64) -> LoginCompletion {
    LoginCompletion {
        opening: Opening {
            session: session(new_session, account, 0),
            password_changes: 0,
            factor_changes: 1,
            budget: Some(budget(AttemptKey::code(account.id))),
        },
        password: budget(AttemptKey::login(&account.identity.handle())),
        ticket: (Uuid::from_u128(ticket), at(300)),
        proof: FactorProof::Totp(step),
    }
}

/// An account with an authenticator app whose codes count after step 7.
async fn with_app(store: &Store) -> NewAccount {
    let alice = username(1, "alice");
    store.insert_account(&alice, Some(&session(10, &alice, 0)), None).await.unwrap();
    let seen = |session: u128, factor_changes| SeenAccount {
        account_id: alice.id,
        session_id: Uuid::from_u128(session),
        epoch: 0,
        password_changes: 0,
        factor_changes,
    };
    let begin = |account_id| FactorChange::Begin { account_id, sealed: "sealed".to_owned(), at: at(1) };
    assert!(!store.change_factors(&begin(Uuid::from_u128(9))).await.unwrap(), "nobody");
    assert!(store.change_factors(&begin(alice.id)).await.unwrap());
    assert!(store.has_sealed_factors().await.unwrap());
    let confirm =
        |seen, pending: &str| FactorChange::Confirm { seen, pending: pending.to_owned(), step: 7, codes: Vec::new() };
    for other in [confirm(seen(11, 0), "sealed"), confirm(seen(10, 1), "sealed"), confirm(seen(10, 0), "another")] {
        assert!(!store.change_factors(&other).await.unwrap(), "{other:?}");
    }
    assert!(!store.credentials_of(alice.id).await.unwrap().unwrap().second_factor);
    assert!(store.change_factors(&confirm(seen(10, 0), "sealed")).await.unwrap());
    alice
}

pub async fn second_factors_change_only_while_the_account_is_as_its_owner_saw_it(store: Store) {
    let alice = with_app(&store).await;
    let found = store.credentials_of(alice.id).await.unwrap().unwrap();
    assert_eq!((found.second_factor, found.factor_changes), (true, 1));
    let totp = Some(SealedTotp { sealed: "sealed".to_owned(), last_step: 7 });
    let expected = StoredFactors { totp, pending: None, recovery_codes: 0 };
    assert_eq!(store.find_factors(alice.id).await.unwrap(), expected);
    let before = opening(session(12, &alice, 0));
    assert!(!store.open_session(&before).await.unwrap().is_open(), "a sign-in that saw no second factor");
    let remove = FactorChange::RemoveOf { account_id: alice.id };
    assert!(store.change_factors(&remove).await.unwrap() && !store.change_factors(&remove).await.unwrap());
    assert_eq!(store.find_factors(alice.id).await.unwrap(), StoredFactors::default());
    let late = completion(&alice, 13, 1, 8);
    assert_eq!(store.complete_login(&late).await.unwrap(), Completed::TicketVoid);
}

pub async fn a_code_and_a_ticket_open_one_session_and_forget_the_failures_before_it(store: Store) {
    let alice = with_app(&store).await;
    let keys = [AttemptKey::code(alice.id), AttemptKey::login(&alice.identity.handle())];
    for key in keys {
        assert_eq!(store.count_failure(&budget(key), Some(alice.id), at(1)).await.unwrap(), Some(1));
    }
    let complete =
        async |session, ticket, step| store.complete_login(&completion(&alice, session, ticket, step)).await.unwrap();
    assert_eq!(complete(20, 1, 7).await, Completed::CodeUsed, "the step that confirmed");
    assert!(store.find_attempts(&keys[0]).await.unwrap().is_some(), "nothing was forgotten");
    assert_eq!(complete(20, 1, 8).await, Completed::Open { recovery_codes: 0 });
    for key in keys {
        assert_eq!(store.find_attempts(&key).await.unwrap(), None);
    }
    assert!(store.is_ticket_spent(Uuid::from_u128(1)).await.unwrap());
    assert_eq!(complete(21, 1, 9).await, Completed::TicketVoid);
    assert_eq!(complete(21, 2, 8).await, Completed::CodeUsed);
    assert!(!store.is_ticket_spent(Uuid::from_u128(2)).await.unwrap(), "a wrong code uses no ticket up");
    for _ in 0..10 {
        store.count_failure(&budget(keys[0]), Some(alice.id), at(2)).await.unwrap();
    }
    assert_eq!(complete(21, 2, 9).await, Completed::TooLate);
    store.purge(at(300)).await.unwrap();
    assert!(!store.is_ticket_spent(Uuid::from_u128(1)).await.unwrap(), "forgotten");
}

pub async fn of_32_that_use_one_step_at_once_exactly_one_signs_in(store: Store) {
    let alice = with_app(&store).await;
    let mut calls = JoinSet::new();
    for number in 0..32 {
        let (store, completion) = (store.clone(), completion(&alice, 100 + number, number, 8));
        calls.spawn(async move { store.complete_login(&completion).await.unwrap() });
    }
    let outcomes = calls.join_all().await;
    let opened = outcomes.iter().filter(|outcome| matches!(outcome, Completed::Open { .. })).count();
    assert_eq!(opened, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Completed::Open { .. } | Completed::CodeUsed)));
}
