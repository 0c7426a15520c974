//! Services that verify tokens by the published keys alone, and are told of changes by a watch. The key set and the
//! watch may come from different replicas, of which one hears late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign_guard::clock::SystemClock;
use countersign_guard::jwks::Answer;
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{Secret, TokenError, Verifier};
use countersign_guard::watch::Watcher;
use tonic::transport::Endpoint;

use super::replicas::Replicas;
use super::{ISSUER, SOON, kid, revoke};
use crate::support::postgres::Database;
use crate::watch::CREDENTIAL;
use crate::wire::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_learns_of_a_revoked_key_although_the_replica_with_the_key_set_hears_late() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (prompt, watched) = replicas.one().await;
    let (late, _late) = replicas.one_at(&database.url_as("late", "superuser").await).await;
    let token = prompt.sign_in_username("alice").await;
    let fetched = Arc::new(AtomicU32::new(0));
    let (late, fetches) = (Arc::new(late), Arc::clone(&fetched));
    let fetch = move || {
        fetches.fetch_add(1, Ordering::SeqCst);
        let late = Arc::clone(&late);
        async move {
            let body = late.get("/.well-known/jwks.json", &[]).await.body.to_vec();
            Ok::<_, &str>(Answer { body, max_age: None })
        }
    };
    let verifier = Verifier::from_jwks_by(fetch, ISSUER).unwrap();
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let endpoint = Endpoint::from_shared(format!("http://{}", watched.address)).unwrap();
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let watcher = Watcher::new(move || endpoint.connect_lazy(), &credential, Arc::clone(&set)).unwrap();
    let following = tokio::spawn(watcher.with_verifier(verifier.clone()).follow());
    assert!(eventually(SOON, async || !set.is_stale() && verifier.verify(&token).is_ok()).await);

    database.cut_off("late").await;
    let before = fetched.load(Ordering::SeqCst);
    revoke(&prompt, &kid(&token)).await;
    assert!(eventually(SOON, async || fetched.load(Ordering::SeqCst) > before).await, "the watcher has told it");
    verifier.verify(&token).expect("the answer came too early");
    database.let_in("late").await;
    // Sooner than in half a minute, when it would ask again for any unknown key. The token is young, so its key may
    // also be new.
    let refuses = async || verifier.verify(&token) == Err(TokenError::UnknownKey);
    assert!(eventually(SOON, refuses).await);
    following.abort();
}
