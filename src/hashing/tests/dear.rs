//! Hashes of other systems that take many times as long as ours: they never hold every thread.

use std::future::pending;
use std::sync::mpsc;

use argon2::Params;

use super::super::DEAR;
use super::super::lane::Lane;
use super::super::weight::Weight;
use super::turn;
use crate::domain::PasswordHash;

const BCRYPT: &str = "Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.";
const REST: &str = "$c2FsdHNhbHRzYWx0c2FsdA$XGzx2MLOxm2YMtEW6ax1lyJeJsteEZp/pGOKjSkw53k";

/// Starts dear jobs, each of another network, that run until the returned senders are dropped.
fn occupy(lane: &'static Lane, jobs: u8) -> (Vec<mpsc::Sender<()>>, Vec<tokio::task::JoinHandle<bool>>) {
    let one = |network| {
        let (release, released) = mpsc::channel::<()>();
        let job = lane.run_past(None, turn(network), Weight::Dear, pending(), move |_| {
            let _ = released.recv();
            Ok(vec![0; 32].into())
        });
        (release, tokio::spawn(async move { job.await.is_ok() }))
    };
    (0..jobs).map(one).unzip()
}

#[tokio::test]
async fn dear_hashes_hold_half_of_the_threads_and_every_other_hash_goes_on() {
    for (threads, most) in [(2, 1), (3, 1), (4, 2)] {
        let lane = Box::leak(Box::new(Lane::start(threads, 64, 8).unwrap()));
        let (release, dear) = occupy(lane, 9);
        while lane.stats().running < most {
            tokio::task::yield_now().await;
        }
        // Also behind a dear hash of the same client.
        for network in (0..9).chain(100..110) {
            lane.run(turn(network), pending(), |_| Ok(vec![0; 32].into())).await.unwrap();
        }
        assert_eq!((lane.stats().running, lane.stats().waiting), (most, 9 - most), "{threads} threads");
        drop(release);
        for job in dear {
            assert!(job.await.unwrap(), "its turn comes");
        }
    }
}

#[tokio::test]
async fn the_only_thread_hashes_dear_ones_too() {
    let lane = Box::leak(Box::new(Lane::start(1, 8, 8).unwrap()));
    let (release, dear) = occupy(lane, 2);
    drop(release);
    for job in dear {
        assert!(job.await.unwrap());
    }
}

#[test]
fn a_hash_is_dear_if_it_takes_more_than_eight_of_ours() {
    for (text, is_dear) in [
        (format!("$argon2id$v=19$m=19456,t=2,p=1{REST}"), false),
        (format!("$argon2id$v=19$m=65536,t=3,p=1{REST}"), false),
        (format!("$argon2id$v=19$m=65536,t=5,p=1{REST}"), true),
        (format!("$argon2id$v=19$m=262144,t=16,p=1{REST}"), true),
        (format!("$2b$10${BCRYPT}"), false),
        (format!("$2b$13${BCRYPT}"), false),
        (format!("$2b$14${BCRYPT}"), true),
        (format!("$scrypt$ln=14,r=8,p=1{REST}"), false),
        (format!("$scrypt$ln=16,r=8,p=4{REST}"), true),
        (format!("$pbkdf2-sha256$i=600000{REST}"), false),
        (format!("$pbkdf2-sha256$i=2000000{REST}"), true),
    ] {
        let work = PasswordHash::parse(&text).unwrap().work();
        assert_eq!(work > DEAR * PasswordHash::work_of(&Params::default()), is_dear, "{text}: {work}");
    }
}
