//! The promises of every store about the digest of the signing secret.

use tokio::task::JoinSet;

use super::Store;

pub async fn of_many_servers_that_start_with_different_secrets_one_stores_its_digest(store: Store) {
    assert_eq!(store.signing_key().await.unwrap(), None);
    let mut starts = JoinSet::new();
    for server in 0..8 {
        let store = Store::clone(&store);
        starts.spawn(async move { store.set_signing_key(&format!("digest {server}"), None).await.unwrap() });
    }
    assert_eq!(starts.join_all().await.into_iter().filter(|is_set| *is_set).count(), 1);

    let first = store.signing_key().await.unwrap().unwrap();
    assert!(store.set_signing_key(&first, None).await.unwrap(), "the same again");
    assert!(!store.set_signing_key("new", Some("another")).await.unwrap());
    assert!(!store.set_signing_key("new", None).await.unwrap());
    assert_eq!(store.signing_key().await.unwrap().unwrap(), first);
    assert!(store.set_signing_key("new", Some(&first)).await.unwrap());
    assert!(store.set_signing_key("new", Some(&first)).await.unwrap(), "the second of two replicas that change it");
    assert_eq!(store.signing_key().await.unwrap().unwrap(), "new");
}
