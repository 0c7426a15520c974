//! Bulk import and export of accounts. An import changes no existing account, and an export has everything that was
//! imported.

use std::collections::HashMap;

use countersign::domain::{
    AccountStatus, Authority, Email, Firm, FirmName, Handle, Identity, NameKind, PersonName, PortableAccount, Role,
    Username,
};
use countersign::store::Imported;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{HASH, OTHER, Store, at, email, hash, open, username};

on_every_engine!(
    what_is_imported_is_exported_as_it_was,
    an_import_changes_nothing_that_is_there,
    of_two_of_one_name_in_a_batch_the_first_is_taken,
    thousands_are_imported_at_once_and_a_second_time_in_vain,
    hashes_are_counted_by_scheme_and_cost,
    a_username_and_an_email_address_of_the_same_text_are_two_names,
    one_that_was_deleted_comes_back_in_an_epoch_that_is_not_over,
);

fn by_username(id: u128, name: &str) -> PortableAccount {
    PortableAccount {
        id: Uuid::from_u128(id),
        identity: Identity::Username(Username::parse(name).unwrap()),
        password_hash: Some(hash(OTHER)),
        status: AccountStatus::Active,
        created_at: at(7),
        notes: Vec::new(),
    }
}

fn by_email(id: u128, address: &str, firm: u128) -> PortableAccount {
    let identity = Identity::Email {
        email: Email::parse(address).unwrap(),
        name: PersonName::parse("Grace Hopper").unwrap(),
        firm: Firm { id: Uuid::from_u128(firm), name: FirmName::parse("Compilers").unwrap() },
        role: Role::Viewer,
        verified: true,
    };
    PortableAccount { identity, status: AccountStatus::Inactive, password_hash: None, ..by_username(id, "any") }
}

async fn import(store: &Store, accounts: &[PortableAccount]) -> Vec<Imported> {
    let judged = store.preview_import(accounts).await.unwrap();
    let imported = store.import(accounts, &HashMap::new()).await.unwrap();
    if accounts.len() == 1 {
        assert_eq!(judged, imported, "a look says what will be");
    }
    imported
}

/// The facts of an account that an import and an export must keep.
fn facts(account: &PortableAccount) -> (Uuid, Identity, Option<String>, AccountStatus, OffsetDateTime) {
    let hash = account.password_hash.as_ref().map(|hash| hash.to_phc());
    (account.id, account.identity.clone(), hash, account.status, account.created_at)
}

async fn all(store: &Store, limit: u32) -> Vec<(Uuid, Identity, Option<String>, AccountStatus, OffsetDateTime)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.export_page(after, limit).await.unwrap().found;
        let Some(last) = page.last() else { return all };
        assert!(page.len() <= limit as usize);
        after = Some(last.id);
        all.extend(page.iter().map(facts));
    }
}

async fn what_is_imported_is_exported_as_it_was(store: Store) {
    assert_eq!(all(&store, 10).await, []);
    let accounts = [
        by_username(1, "alice"),
        by_email(2, "grace@x.org", 20),
        by_email(3, "joan@x.org", 20),
        by_username(4, "bobby"),
    ];
    assert_eq!(import(&store, &accounts).await, [Imported::New; 4]);
    for limit in [1, 3, 100] {
        assert_eq!(all(&store, limit).await, accounts.iter().map(facts).collect::<Vec<_>>());
    }
    // The imported account can sign in.
    let found = store.find_credentials(&accounts[0].handle()).await.unwrap().unwrap();
    assert_eq!((found.account.epoch, found.password_hash.unwrap().to_phc().as_str()), (0, OTHER));
    let found = store.find_credentials(&accounts[1].handle()).await.unwrap().unwrap();
    assert!(found.password_hash.is_none());
    assert_eq!(found.account.identity, accounts[1].identity);
    assert!(!found.account.platform_admin);
}

async fn hashes_are_counted_by_scheme_and_cost(store: Store) {
    assert!(store.hash_costs().await.unwrap().is_empty());
    let bcrypt = "$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.";
    let texts = [
        OTHER.to_owned(),
        OTHER.replace("$c2", "$d2"),
        OTHER.replace("t=1", "t=3"),
        OTHER.replace("m=16", "m=160"),
        format!("$trimmed{OTHER}"),
        bcrypt.to_owned(),
        bcrypt.replace("Qa", "Ra"),
        bcrypt.replace("$10", "$12"),
    ];
    let accounts = (1..).zip(&texts).map(|(id, text)| {
        let account = by_username(id, &format!("name {id}"));
        PortableAccount { password_hash: Some(hash(text)), ..account }
    });
    let accounts: Vec<_> = accounts
        .chain([
            by_email(100, "grace@x.org", 20),
            PortableAccount { password_hash: Some(hash(OTHER)), ..by_email(101, "hopper@x.org", 20) },
        ])
        .collect();
    assert_eq!(import(&store, &accounts).await, vec![Imported::New; accounts.len()]);
    let costs = store.hash_costs().await.unwrap();
    let mut costs: Vec<_> = costs
        .into_iter()
        .map(|(kind, hash, number)| (kind == NameKind::Email, hash.work(), hash.is_of_trimmed(), number))
        .collect();
    costs.sort_unstable();
    let work = |text: &str| hash(text).work();
    let expected = [
        (false, work(OTHER), false, 2),
        (false, work(OTHER), true, 1),
        (false, work(&texts[2]), false, 1),
        (false, work(&texts[3]), false, 1),
        (false, work(bcrypt), false, 2),
        (false, work(&texts[7]), false, 1),
        (true, work(OTHER), false, 1),
    ];
    assert_eq!(costs, expected);
}

async fn a_username_and_an_email_address_of_the_same_text_are_two_names(store: Store) {
    let mut named = by_username(1, "any");
    named.identity = Identity::Username(Username::imported("grace@x.org").unwrap());
    let accounts = [named, by_email(2, "grace@x.org", 20)];
    assert_eq!(store.preview_import(&accounts).await.unwrap(), [Imported::New; 2]);
    assert_eq!(import(&store, &accounts).await, [Imported::New; 2]);
    assert_eq!(import(&store, &accounts).await, [Imported::Unchanged; 2]);
    for account in accounts {
        let found = store.find_credentials(&account.handle()).await.unwrap().unwrap();
        assert_eq!(found.account.id, account.id);
    }
}

async fn an_import_changes_nothing_that_is_there(store: Store) {
    store.insert_account(&username(1, "alice"), None, None).await.unwrap();
    store.insert_account(&email(2, "ada@x.org", 20), None, None).await.unwrap();
    let before = all(&store, 10).await;
    for (account, expected) in [
        (by_username(1, "alice"), Imported::Unchanged),
        (by_email(2, "ada@x.org", 21), Imported::Unchanged),
        (by_username(9, "alice"), Imported::HandleTaken),
        (by_email(9, "ada@x.org", 22), Imported::HandleTaken),
        (by_username(1, "bobby"), Imported::IdTaken),
        (by_email(1, "grace@x.org", 23), Imported::IdTaken),
        (by_username(2, "alice"), Imported::HandleTaken),
    ] {
        assert_eq!(import(&store, &[account]).await, [expected]);
        assert_eq!(all(&store, 10).await, before);
    }
    // The firms of refused accounts were not stored. A new account with such a firm id sets the firm's name.
    for firm in [21_u128, 22, 23] {
        let mut account = by_email(firm + 100, &format!("{firm}@x.org"), firm);
        if let Identity::Email { firm, .. } = &mut account.identity {
            firm.name = FirmName::parse("Another").unwrap();
        }
        assert_eq!(import(&store, std::slice::from_ref(&account)).await, [Imported::New]);
        assert_eq!(store.find_account(account.id).await.unwrap().unwrap().identity, account.identity);
    }
    // An existing firm keeps its name.
    let joins = by_email(50, "joan@x.org", 20);
    assert_eq!(import(&store, std::slice::from_ref(&joins)).await, [Imported::New]);
    let Identity::Email { firm, .. } = store.find_account(joins.id).await.unwrap().unwrap().identity else { panic!() };
    assert_eq!(firm.name.as_str(), "Analytical");
}

async fn of_two_of_one_name_in_a_batch_the_first_is_taken(store: Store) {
    store.insert_account(&username(1, "alice"), None, None).await.unwrap();
    let batch = [
        by_username(2, "bobby"),
        by_username(3, "bobby"),
        by_username(2, "bobby"),
        by_username(4, "alice"),
        by_username(4, "carol"),
        by_username(2, "david"),
        by_email(5, "ada@x.org", 50),
        by_email(6, "ada@x.org", 60),
    ];
    let expected = [
        Imported::New,
        Imported::HandleTaken,
        Imported::Unchanged,
        Imported::HandleTaken,
        Imported::New,
        Imported::IdTaken,
        Imported::New,
        Imported::HandleTaken,
    ];
    assert_eq!(import(&store, &batch).await, expected);
    let names: Vec<_> =
        all(&store, 10).await.into_iter().map(|account| account.1.handle().as_str().to_owned()).collect();
    assert_eq!(names, ["alice", "bobby", "carol", "ada@x.org"]);
}

async fn thousands_are_imported_at_once_and_a_second_time_in_vain(store: Store) {
    let many: Vec<_> = (1..=2_500_u128)
        .map(|n| {
            if n % 2 == 0 { by_username(n, &format!("user{n}")) } else { by_email(n, &format!("{n}@x.org"), n % 7 + 1) }
        })
        .collect();
    assert_eq!(import(&store, &many).await, [Imported::New; 2_500]);
    assert_eq!(import(&store, &many).await, [Imported::Unchanged; 2_500]);
    assert_eq!(store.preview_import(&many).await.unwrap(), [Imported::Unchanged; 2_500]);
    assert_eq!(all(&store, 1_000).await.len(), 2_500);
}

async fn one_that_was_deleted_comes_back_in_an_epoch_that_is_not_over(store: Store) {
    store.insert_account(&username(1, "alice"), None, None).await.unwrap();
    store.set_status(Uuid::from_u128(1), AccountStatus::Inactive, at(1_000)).await.unwrap();
    let epoch = store.delete_account(Uuid::from_u128(1), at(1_000), Authority::Operator).await.unwrap().unwrap();
    let epochs = store.ended_epochs().await.unwrap();
    assert_eq!(epochs, HashMap::from([(Uuid::from_u128(1), epoch)]));
    let alice = by_username(1, "alice");
    assert_eq!(store.import(std::slice::from_ref(&alice), &epochs).await.unwrap(), [Imported::New]);
    assert_eq!(store.find_account(alice.id).await.unwrap().unwrap().epoch, epoch);
    let handle = Handle::Username(Username::parse("alice").unwrap());
    assert_ne!(store.find_credentials(&handle).await.unwrap().unwrap().password_hash.unwrap().to_phc(), HASH);
}
