//! Three processes start at the same moment on an empty database. One migrates it, the others wait, and all serve.

use std::time::{Duration, Instant};

use sqlx::Executor as _;

use crate::replica::Cluster;
use crate::runs::{Times, either};

pub async fn start(cluster: &Cluster) {
    let mut took = Times::default();
    for _ in 0..either(3, 20) {
        let mut behind = cluster.database.connect().await;
        behind.execute("drop schema public cascade; create schema public").await.unwrap();
        let begun = Instant::now();
        cluster.start().await;
        for replica in cluster.replicas() {
            replica.until_ready().await;
        }
        took.push(begun.elapsed());
        let (all, done): (i64, i64) =
            sqlx::query_as("select count(*), count(*) filter (where success) from _sqlx_migrations")
                .fetch_one(&mut behind)
                .await
                .unwrap();
        let files =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres")).unwrap().count() as i64;
        assert_eq!((all, done), (files, files));
        cluster.stop().await;
    }
    println!("   all three ready: {took}");
    assert!(took.quantile(1.0) < Duration::from_secs(10));
}
