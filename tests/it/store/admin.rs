//! The promises of every store about the queries and changes of administrators.

use countersign::store::{AccountChange, AccountOrder, AccountPage, AccountRecord, Outline};

use super::*;

async fn found(store: &Store, page: AccountPage) -> Vec<u128> {
    let page = AccountPage { limit: if page.limit == 0 { 100 } else { page.limit }, ..page };
    store.list_records(&page).await.unwrap().found.iter().map(|record| record.account.id.as_u128()).collect()
}

/// A store with two firms, and username accounts. The order of registration is not the order of ids.
async fn filled(store: &Store) {
    let joining = |id, to, firm, role| {
        let mut new = NewAccount { joins: true, ..email(id, to, firm) };
        if let Identity::Email { role: its, .. } = &mut new.identity {
            *its = role;
        }
        new
    };
    let all = [
        username(9, "adam"),
        email(3, "ada@example.com", 7),
        joining(8, "adb@example.com", 7, Role::User),
        email(2, "zoe@example.com", 6),
        joining(7, "ad-hoc@example.com", 6, Role::Viewer),
        NewAccount { password_hash: None, ..username(1, "mañana") },
        // As an import may bring it.
        NewAccount {
            identity: Identity::Username(Username::imported("zoe@example.com").unwrap()),
            ..username(12, "zoe")
        },
    ];
    for (second, new) in (0..).zip(all) {
        store.insert_account(&NewAccount { created_at: at(second), ..new }, None, None).await.unwrap();
    }
    store.set_status(Uuid::from_u128(8), AccountStatus::Inactive, at(9)).await.unwrap();
}

pub async fn accounts_are_asked_for_by_firm_role_status_and_the_beginning_of_their_names(store: Store) {
    filled(&store).await;
    let all = AccountPage::default();
    let firm = |id| Some(Uuid::from_u128(id));
    let by = |prefix: &str| AccountOrder::Handle { prefix: prefix.to_owned(), after: None };
    for (name, page, expected) in [
        ("all, as they were registered", all.clone(), &[9, 3, 8, 2, 7, 1, 12][..]),
        ("of a firm", AccountPage { firm: firm(7), ..all.clone() }, &[3, 8]),
        ("of none", AccountPage { firm: firm(5), ..all.clone() }, &[]),
        ("with a role", AccountPage { role: Some(Role::Admin), ..all.clone() }, &[3, 2]),
        ("inactive", AccountPage { status: Some(AccountStatus::Inactive), ..all.clone() }, &[8]),
        ("active", AccountPage { status: Some(AccountStatus::Active), ..all.clone() }, &[9, 3, 2, 7, 1, 12]),
        // Names are ordered by bytes, whatever the database's collation makes of `-` and `@`.
        ("by name", AccountPage { order: by("ad"), ..all.clone() }, &[7, 3, 9, 8]),
        ("by name, beyond ASCII", AccountPage { order: by("mañ"), ..all.clone() }, &[1]),
        ("one text that is two names", AccountPage { order: by("zoe@example.com"), ..all.clone() }, &[2, 12]),
        ("no pattern", AccountPage { order: by("a_"), ..all.clone() }, &[]),
        ("nor any", AccountPage { order: by("%"), ..all.clone() }, &[]),
        ("by name in a firm", AccountPage { order: by("ad"), firm: firm(7), ..all.clone() }, &[3, 8]),
        ("all of it", AccountPage { order: by("ad"), firm: firm(6), role: Some(Role::Viewer), ..all.clone() }, &[7]),
    ] {
        assert_eq!(found(&store, page.clone()).await, expected, "{name}");
        let (mut paged, mut next) = (Vec::new(), page);
        loop {
            let records = store.list_records(&AccountPage { limit: 1, ..next.clone() }).await.unwrap().found;
            let [AccountRecord { account, .. }] = &records[..] else { break };
            paged.push(account.id.as_u128());
            next.order = match next.order {
                AccountOrder::Registration(_) => AccountOrder::Registration(Some((account.created_at, account.id))),
                AccountOrder::Handle { prefix, .. } => {
                    AccountOrder::Handle { prefix, after: Some((account.identity.handle().to_string(), account.id)) }
                }
            };
        }
        assert_eq!(paged, expected, "{name}, page by page");
    }
    for (id, has_password) in [(9, true), (1, false)] {
        let record = store.find_record(Uuid::from_u128(id)).await.unwrap().unwrap();
        assert_eq!((record.account.id.as_u128(), record.has_password), (id, has_password));
    }
    assert_eq!(store.find_record(Uuid::from_u128(99)).await.unwrap(), None);
}

pub async fn what_changes_of_an_account_changes_at_once_and_is_told(store: Store) {
    filled(&store).await;
    let ada = Uuid::from_u128(3);
    let king = PersonName::parse("Ada King").unwrap();
    let name = AccountChange { name: Some(king.clone()), ..AccountChange::default() };
    let all = AccountChange { role: Some(Role::User), status: Some(AccountStatus::Inactive), ..name.clone() };
    let heard = revocations(&store, 0, 0).await.len();
    let heard = async || revocations(&store, 0, 0).await.split_off(heard);

    let same = store.update_account(ada, &AccountChange::default(), at(100), at(100)).await.unwrap().unwrap();
    assert_eq!((same.is_change(), heard().await), (false, vec![]), "nothing is nothing");
    let renamed = store.update_account(ada, &name, at(100), at(100)).await.unwrap().unwrap();
    let its = |account: &Account| match &account.identity {
        Identity::Email { name, role, .. } => (name.clone(), *role),
        Identity::Username(_) => panic!("it is an email account"),
    };
    assert_eq!(its(&renamed.record.unwrap().account), (king.clone(), Role::Admin));
    assert_eq!(heard().await, [Revocation::Account { id: ada, epoch: 0 }], "told, and nothing ended");

    let changed = store.update_account(ada, &all, at(100), at(100)).await.unwrap().unwrap();
    let record = changed.record.unwrap();
    assert_eq!((its(&record.account), record.account.status), ((king, Role::User), AccountStatus::Inactive));
    assert_eq!(
        (changed.after, changed.after.epoch),
        (Outline::from(&record.account), 1),
        "once, though two things changed that end sessions"
    );
    assert_eq!(heard().await[1..], [Revocation::Account { id: ada, epoch: 1 }]);
    assert_eq!(store.find_record(ada).await.unwrap(), Some(record));

    // A username account has neither a name nor a role.
    let adam = Uuid::from_u128(9);
    let name_and_role = AccountChange { status: None, ..all };
    let unchanged = store.update_account(adam, &name_and_role, at(100), at(100)).await.unwrap().unwrap();
    assert!(!unchanged.is_change());
    // A username account can be renamed, to a name that no other account has. A rename ends no session.
    let another = |name| AccountChange { username: Some(Username::parse(name).unwrap()), ..AccountChange::default() };
    let eve = store.update_account(adam, &another("Eve"), at(100), at(100)).await.unwrap().unwrap();
    assert_eq!((eve.renamed, eve.record.unwrap().account.identity.handle().as_str()), (true, "eve"));
    assert_eq!(heard().await[2..], [Revocation::Account { id: adam, epoch: 0 }], "told, and nothing ended");
    assert!(!store.update_account(ada, &another("Eva"), at(100), at(100)).await.unwrap().unwrap().is_change());
    store.insert_account(&username(10, "lilith"), None, None).await.unwrap();
    let taken = store.update_account(adam, &another("LILITH"), at(100), at(100)).await;
    assert!(matches!(taken, Err(StoreError::HandleTaken)));
    assert_eq!(store.update_account(Uuid::from_u128(99), &name, at(100), at(100)).await.unwrap(), None);
    assert_eq!(heard().await.len(), 3);

    for (is_one, changes) in [(true, true), (true, false), (false, true), (false, false)] {
        assert_eq!(store.set_platform_admin(adam, is_one, at(100)).await.unwrap(), changes);
        assert_eq!(store.find_account(adam).await.unwrap().unwrap().platform_admin, is_one);
    }
    assert_eq!(heard().await[3..], [Revocation::Account { id: adam, epoch: 0 }; 2]);
    assert!(!store.set_platform_admin(Uuid::from_u128(99), true, at(100)).await.unwrap());
}

pub async fn firms_are_listed_in_the_order_of_their_making_with_their_accounts(store: Store) {
    filled(&store).await;
    let seven = store.find_firm(Uuid::from_u128(7)).await.unwrap().unwrap();
    assert_eq!((seven.firm.name.as_str(), seven.accounts, seven.created_at), ("Analytical", 2, at(1)));
    let firms = store.list_firms(None, 10).await.unwrap().found;
    assert_eq!(firms.iter().map(|firm| firm.firm.id.as_u128()).collect::<Vec<_>>(), [7, 6]);
    let next = store.list_firms(Some((seven.created_at, seven.firm.id)), 10).await.unwrap().found;
    assert_eq!(next, firms[1..]);
    assert_eq!(store.list_firms(None, 1).await.unwrap().found, firms[..1]);
    assert_eq!(store.find_firm(Uuid::from_u128(5)).await.unwrap(), None);
}
