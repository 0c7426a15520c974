//! The promises of every store about the last administrator of a firm.

use countersign::domain::AccountChange;

use super::mail::FIRM;
use super::*;

/// An account of the firm with this role, under `a{id}@example.com`.
async fn member(store: &Store, id: u128, role: Role) -> Uuid {
    let mut new = email(id, &format!("a{id}@example.com"), FIRM);
    if let Identity::Email { role: its, .. } = &mut new.identity {
        *its = role;
    }
    new.joins = id != 2;
    store.insert_account(&new, None, None).await.unwrap();
    new.id
}

fn role(role: Role) -> AccountChange {
    AccountChange { role: Some(role), ..AccountChange::default() }
}

fn status(status: AccountStatus) -> AccountChange {
    AccountChange { status: Some(status), ..AccountChange::default() }
}

async fn change(store: &Store, id: Uuid, change: AccountChange) -> Result<(), StoreError> {
    store.update_account(id, &change, at(100), at(100)).await.map(drop)
}

pub async fn the_last_administrator_of_a_firm_stays_unless_it_is_forced(store: Store) {
    let ada = member(&store, 2, Role::Admin).await;
    let (inactive, forced) =
        (status(AccountStatus::Inactive), |change| AccountChange { authority: Authority::Forced, ..change });
    assert!(matches!(change(&store, ada, role(Role::User)).await, Err(StoreError::LastAdministrator)), "of itself");
    // With its only account, a firm has nobody left who needs an administrator.
    change(&store, ada, inactive.clone()).await.unwrap();
    change(&store, ada, status(AccountStatus::Active)).await.unwrap();
    let bo = member(&store, 3, Role::User).await;
    let before = store.find_outline(ada).await.unwrap();
    for refused in [role(Role::Viewer), inactive.clone(), AccountChange { role: Some(Role::User), ..inactive.clone() }]
    {
        assert!(matches!(change(&store, ada, refused).await, Err(StoreError::LastAdministrator)));
    }
    assert!(matches!(
        store.delete_account(ada, at(100), Authority::Operator).await,
        Err(StoreError::LastAdministrator)
    ));
    assert_eq!(store.find_outline(ada).await.unwrap(), before, "nothing was changed");
    change(&store, ada, role(Role::Admin)).await.unwrap();
    // An administrator that may not sign in is none.
    change(&store, bo, role(Role::Admin)).await.unwrap();
    change(&store, bo, inactive.clone()).await.unwrap();
    assert!(matches!(change(&store, ada, role(Role::User)).await, Err(StoreError::LastAdministrator)));
    change(&store, bo, status(AccountStatus::Active)).await.unwrap();
    change(&store, ada, role(Role::User)).await.unwrap();
    assert!(matches!(store.delete_account(bo, at(100), Authority::Operator).await, Err(StoreError::LastAdministrator)));
    change(&store, bo, forced(role(Role::User))).await.unwrap();
    // A firm that has no administrator has none to lose.
    change(&store, bo, inactive).await.unwrap();
    change(&store, ada, role(Role::Admin)).await.unwrap();
    change(&store, bo, status(AccountStatus::Active)).await.unwrap();
    assert!(store.delete_account(ada, at(100), Authority::Forced).await.unwrap().is_some());
    assert!(store.delete_account(bo, at(100), Authority::Operator).await.unwrap().is_some());
}

pub async fn of_two_administrators_that_remove_each_other_at_once_one_stays(store: Store) {
    let [one, other] = [member(&store, 2, Role::Admin).await, member(&store, 3, Role::Admin).await];
    member(&store, 4, Role::User).await;
    for round in 0..20 {
        let changes = [role(Role::User), status(AccountStatus::Inactive)];
        let removals = [one, other].map(|id| {
            let (store, removal) = (Arc::clone(&store), changes[round % 2].clone());
            tokio::spawn(async move { change(&store, id, removal).await })
        });
        let mut removed = 0;
        for removal in removals {
            match removal.await.unwrap() {
                Ok(()) => removed += 1,
                Err(error) => assert!(matches!(error, StoreError::LastAdministrator), "{error:?}"),
            }
        }
        assert_eq!(removed, 1, "round {round}");
        for id in [one, other] {
            let again = AccountChange { role: Some(Role::Admin), ..status(AccountStatus::Active) };
            change(&store, id, again).await.unwrap();
        }
    }
    let removals = [one, other].map(|id| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.delete_account(id, at(100), Authority::Operator).await })
    });
    let mut stayed = 0;
    for removal in removals {
        stayed += usize::from(matches!(removal.await.unwrap(), Err(StoreError::LastAdministrator)));
    }
    assert_eq!(stayed, 1);
}

pub async fn of_two_administrators_with_nobody_else_that_remove_each_other_at_once_one_stays(store: Store) {
    for round in 0..10 {
        let [one, other] = [member(&store, 2, Role::Admin).await, member(&store, 3, Role::Admin).await];
        let removals = [(one, other), (other, one)].map(|(author, id)| {
            let (store, authority) = (Arc::clone(&store), Authority::Account(author));
            tokio::spawn(async move {
                if round % 2 == 0 {
                    return store.delete_account(id, at(100), authority).await.map(drop);
                }
                let inactive = AccountChange { authority, ..status(AccountStatus::Inactive) };
                store.update_account(id, &inactive, at(100), at(100)).await.map(drop)
            })
        });
        let mut stayed = 0;
        for removal in removals {
            stayed += usize::from(matches!(removal.await.unwrap(), Err(StoreError::AuthorGone)));
        }
        assert_eq!(stayed, 1, "round {round}");
        for id in [one, other] {
            store.delete_account(id, at(100), Authority::Forced).await.unwrap();
        }
    }
}
