//! The lane under conditions that a client cannot create: jobs that wait for the test, that panic, or that look at the
//! memory.

mod dear;
mod makers;

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use argon2::{Block, Params};
use argon2_kernel::Kernel;
use tokio::sync::{Semaphore, TryAcquireError};

use super::lane::{Gate, Lane};
use super::memory::Memory;
use super::weight::Weight;
use super::{Dropped, HashError, LaneStats, PasswordHasher, RefusalCause, Turn};
use crate::domain::{Password, PasswordHash};

fn cheap() -> Params {
    Params::new(64, 1, 1, None).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(text.to_owned(), 1).unwrap()
}

/// A turn of the only client of the network of this number, with a deadline far away.
fn turn(network: u8) -> Turn {
    Turn { client: Some([192, 0, network, 1].into()), deadline: Instant::now() + Duration::from_secs(600) }
}

fn refused(stats: &LaneStats, refusal: RefusalCause) -> u64 {
    stats.refused[refusal as usize]
}

fn dropped(stats: &LaneStats, dropped: Dropped) -> u64 {
    stats.dropped[dropped as usize]
}

type HashOutput = super::lane::HashOutput;

/// A lane of one thread that is busy until it is released, with jobs that record that they ran.
struct Busy {
    lane: &'static Lane,
    release: mpsc::Sender<()>,
    busy: tokio::task::JoinHandle<HashOutput>,
    ran: mpsc::Sender<&'static str>,
    order: mpsc::Receiver<&'static str>,
}

impl Busy {
    async fn start(queue: usize) -> Self {
        let lane = Box::leak(Box::new(Lane::start(1, queue, 8).unwrap()));
        let (release, released) = mpsc::channel();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let busy = tokio::spawn(lane.run(turn(0), std::future::pending(), move |_| {
            let _ = begun.send(());
            let _ = released.recv();
            Ok(vec![0; 32].into())
        }));
        begins.await.unwrap();
        let (ran, order) = mpsc::channel();
        Self { lane, release, busy, ran, order }
    }

    /// Queues a job, and returns once it waits or was refused.
    async fn queue(&self, turn: Turn, name: &'static str) -> tokio::task::JoinHandle<HashOutput> {
        let (lane, ran) = (self.lane, self.ran.clone());
        let job = tokio::spawn(lane.run(turn, std::future::pending(), move |_| {
            ran.send(name).unwrap();
            Ok(vec![1; 32].into())
        }));
        // The test's runtime has one thread, so the task runs until it waits.
        tokio::task::yield_now().await;
        job
    }

    /// Releases the thread, and returns the jobs that ran, in order, until `last`.
    async fn finish(self, last: tokio::task::JoinHandle<HashOutput>) -> Vec<&'static str> {
        drop(self.release);
        self.busy.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        self.order.try_iter().collect()
    }
}

#[tokio::test]
async fn a_client_that_floods_keeps_nobody_else_waiting_for_more_than_one_of_its_own() {
    let busy = Busy::start(16).await;
    let mut flood = Vec::new();
    for name in ["a1", "a2", "a3", "a4"] {
        flood.push(busy.queue(turn(1), name).await);
    }
    busy.queue(turn(2), "b1").await;
    assert_eq!(busy.finish(flood.pop().unwrap()).await, ["a1", "b1", "a2", "a3", "a4"]);
}

#[tokio::test]
async fn in_a_full_queue_who_has_fewest_displaces_the_latest_of_who_has_most() {
    let busy = Busy::start(3).await;
    let first = busy.queue(turn(1), "a1").await;
    let second = busy.queue(turn(1), "a2").await;
    let third = busy.queue(turn(1), "a3").await;
    assert_eq!((busy.lane.stats().waiting, busy.lane.stats().running), (3, 1));

    let fourth = busy.queue(turn(1), "a4").await;
    assert!(matches!(fourth.await.unwrap(), Err(HashError::Overloaded { .. })), "no room, and nobody who has more");
    assert!(matches!(busy.lane.require_room(&turn(1)), Err(HashError::Overloaded { .. })));
    assert_eq!(refused(&busy.lane.stats(), RefusalCause::Full), 2);

    assert!(busy.lane.require_room(&turn(2)).is_ok());
    let other = busy.queue(turn(2), "b1").await;
    assert!(matches!(third.await.unwrap(), Err(HashError::Overloaded { .. })), "it gave way");
    assert_eq!(refused(&busy.lane.stats(), RefusalCause::Displaced), 1);
    assert_eq!(busy.lane.stats().waiting, 3);
    drop((first, other));
    assert_eq!(busy.finish(second).await, ["a1", "b1", "a2"]);
}

#[tokio::test]
async fn a_quarter_of_the_queue_is_for_networks_that_had_no_turn_lately() {
    let busy = Busy::start(8).await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        // The busy job is of this network.
        waiting.push(busy.queue(turn(0), "known").await);
    }
    let seventh = busy.queue(turn(0), "known").await;
    assert!(
        matches!(seventh.await.unwrap(), Err(HashError::Overloaded { .. })),
        "it is known, and two places are left"
    );
    for network in 1..=2 {
        waiting.push(busy.queue(turn(network), "new").await);
    }
    assert_eq!((busy.lane.stats().waiting, refused(&busy.lane.stats(), RefusalCause::Displaced)), (8, 0));
    waiting.push(busy.queue(turn(3), "new").await);
    assert_eq!((busy.lane.stats().waiting, refused(&busy.lane.stats(), RefusalCause::Displaced)), (8, 1));
    drop(busy.release);
    busy.busy.await.unwrap().unwrap();
    for job in waiting {
        let _ = job.await.unwrap();
    }
    let ran: Vec<_> = busy.order.try_iter().collect();
    assert_eq!(ran, ["known", "new", "new", "new", "known", "known", "known", "known"]);
}

#[tokio::test]
async fn who_could_not_be_served_in_time_is_refused_at_once() {
    let busy = Busy::start(16).await;
    busy.lane.assume(Duration::from_secs(10));
    let mut flood = Vec::new();
    for _ in 0..5 {
        flood.push(busy.queue(turn(1), "flood").await);
    }
    let within = |seconds, turn| Turn { deadline: Instant::now() + Duration::from_secs(seconds), ..turn };
    for (name, turn, refusals) in [
        ("done in time after six of them", within(75, turn(1)), 0),
        ("begun in time after six of them, and not done", within(65, turn(1)), 1),
        ("another client, after two", within(35, turn(2)), 1),
        ("another client, too late even so", within(25, turn(2)), 2),
        ("nobody in particular is another client", within(25, Turn { client: None, ..turn(2) }), 3),
        ("too late already", within(0, turn(3)), 4),
    ] {
        let _ = busy.lane.require_room(&turn);
        assert_eq!(refused(&busy.lane.stats(), RefusalCause::Deadline), refusals, "{name}");
    }
    let late = busy.queue(within(15, turn(2)), "late").await;
    assert!(matches!(late.await.unwrap(), Err(HashError::Overloaded { .. })));
    assert_eq!(busy.finish(flood.pop().unwrap()).await, ["flood"; 5]);
}

#[tokio::test]
async fn who_hangs_up_is_not_hashed_and_gives_the_place_free_at_once() {
    let busy = Busy::start(1).await;
    let gone = busy.queue(turn(1), "gone").await;
    assert!(busy.lane.require_room(&turn(1)).is_err());
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let stats = busy.lane.stats();
    assert_eq!((stats.waiting, dropped(&stats, Dropped::Gone)), (0, 1));
    let next = busy.queue(turn(1), "next").await;
    assert_eq!(busy.finish(next).await, ["next"]);
}

#[tokio::test]
async fn whose_time_has_passed_is_not_hashed() {
    let busy = Busy::start(4).await;
    let late = busy.queue(turn(1), "late").await;
    // Nothing else happens, so the paused clock advances to the deadline.
    tokio::time::pause();
    assert!(matches!(late.await.unwrap(), Err(HashError::Late)));
    tokio::time::resume();
    let stats = busy.lane.stats();
    assert_eq!((stats.waiting, dropped(&stats, Dropped::Late)), (0, 1));
    let later = Turn { deadline: Instant::now() + Duration::from_secs(3_600), ..turn(1) };
    let next = busy.queue(later, "next").await;
    assert_eq!(busy.finish(next).await, ["next"]);
}

#[tokio::test]
async fn a_job_begins_when_its_gate_lets_it_and_holds_nobody_else_up_until_then() {
    let busy = Busy::start(16).await;
    let one = Arc::new(Semaphore::new(1));
    let queue = |name| {
        let (lane, ran, one) = (busy.lane, busy.ran.clone(), Arc::clone(&one));
        let gate: Gate = Box::new(move || match Arc::clone(&one).try_acquire_owned() {
            Ok(permit) => Ok(Some(Box::new(permit))),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(Duration::from_secs(7)),
        });
        tokio::spawn(lane.run_past(Some(gate), turn(1), Weight::Usual, std::future::pending(), move |_| {
            ran.send(name).unwrap();
            Ok(vec![1; 32].into())
        }))
    };
    let [first, second, third] = ["a1", "a2", "a3"].map(queue);
    tokio::task::yield_now().await;
    let other = busy.queue(turn(2), "b1").await;
    busy.release.send(()).unwrap();
    let (_, permit) = first.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(busy.order.try_iter().collect::<Vec<_>>(), ["a1", "b1"], "one at a time of a");
    assert_eq!(busy.lane.stats().waiting, 2);
    drop(permit);
    let (_, permit) = second.await.unwrap().unwrap();
    one.close();
    drop(permit);
    let Err(HashError::Spent { retry_after }) = third.await.unwrap() else { panic!("it ran") };
    assert_eq!(retry_after, Duration::from_secs(7));
    assert_eq!(busy.order.try_iter().collect::<Vec<_>>(), ["a2"]);
    assert_eq!(dropped(&busy.lane.stats(), Dropped::Spent), 1);
}

#[tokio::test]
async fn a_hash_that_runs_keeps_its_place_when_nobody_waits_for_it_any_more() {
    let busy = Busy::start(1).await;
    busy.busy.abort();
    tokio::task::yield_now().await;
    let next = busy.queue(turn(1), "next").await;
    let stats = busy.lane.stats();
    assert_eq!((stats.running, stats.waiting, dropped(&stats, Dropped::Gone)), (1, 1, 0));
    assert!(busy.lane.require_room(&turn(1)).is_err(), "the thread is not free");
    drop(busy.release);
    next.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hash_that_panics_costs_itself_only() {
    let lane = Lane::start(1, 4, 8).unwrap();
    let panics = lane.run(turn(1), std::future::pending(), |_| panic!("a panic of the tests"));
    assert!(matches!(panics.await, Err(HashError::Failed("the hash panicked"))));
    assert_eq!(lane.run(turn(1), std::future::pending(), |_| Ok(vec![7; 32].into())).await.unwrap()[..], [7; 32]);
    let stats = lane.stats();
    assert_eq!((stats.running, stats.wait.count(), stats.run.count()), (0, 2, 2));
}

#[tokio::test]
async fn the_threads_end_with_the_lane_and_give_their_memory_back() {
    let lane = Lane::start(2, 4, 8).unwrap();
    let memory = lane.memory();
    lane.run(turn(1), std::future::pending(), |memory| memory.take(8).map(|_| vec![0; 32].into())).await.unwrap();
    assert!(lane.stats().memory >= 8 * Block::SIZE);
    drop(lane);
    while Arc::strong_count(&memory) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(memory.load(Ordering::Relaxed), 0);
}

/// Hashes in the memory and returns how many of all blocks hold data afterwards.
fn hash_in(memory: &mut Memory, blocks: usize) -> usize {
    let params = argon2_kernel::Params::new(blocks.try_into().unwrap(), 1).unwrap();
    Kernel::PORTABLE.fill(b"s3cur3pass", &[1; 16], params, memory.take(blocks).unwrap()).unwrap();
    memory.used()
}

#[test]
fn memory_is_reused_without_leaving_anything_and_is_all_zero_when_it_was_wiped() {
    let held = Arc::default();
    let mut memory = Memory::new(64, Arc::clone(&held));
    let bytes = || held.load(Ordering::Relaxed);
    assert_eq!(bytes(), 0, "nothing before the first hash");
    assert_eq!((hash_in(&mut memory, 32), bytes()), (32, 64 * Block::SIZE), "the usual at once");
    assert_eq!(hash_in(&mut memory, 64), 64);
    assert_eq!(hash_in(&mut memory, 8), 8, "a smaller one leaves nothing of the one before");
    memory.wipe();
    assert_eq!((memory.used(), memory.is_dirty()), (0, false));

    assert_eq!((hash_in(&mut memory, 256), bytes()), (256, 256 * Block::SIZE), "a costlier one takes more");
    memory.give_back();
    assert_eq!((memory.used(), bytes()), (0, 0), "and gives it back");
    drop(memory);
    assert_eq!(bytes(), 0);
}

#[test]
fn the_memory_of_costlier_hashes_is_kept_while_they_come_and_given_back_when_they_do_not() {
    let held = Arc::default();
    let mut memory = Memory::new(64, Arc::clone(&held));
    let mut hash = |blocks| {
        hash_in(&mut memory, blocks);
        memory.trim();
        held.load(Ordering::Relaxed) / Block::SIZE
    };
    for round in 0..100 {
        assert_eq!(hash(256), 256, "{round}");
        assert!((0..3).all(|_| hash(64) == 256), "{round}");
    }
    assert_eq!((0..32).map(|_| hash(64)).last(), Some(64), "the usual");
    assert_eq!(hash(1_024), 1_024);
    let costly: Vec<_> = (0..32).map(|_| hash(256)).collect();
    assert!(costly[..14].iter().all(|blocks| *blocks == 1_024) && costly[31] == 256, "{costly:?}");
}

#[tokio::test]
async fn a_thread_that_has_nothing_to_do_has_nothing_left_in_its_memory() {
    let lane = Lane::start(1, 4, 64).unwrap();
    let hash = |memory: &mut Memory| Ok(vec![u8::try_from(hash_in(memory, 64)).unwrap(); 32].into());
    assert_eq!(lane.run(turn(1), std::future::pending(), hash).await.unwrap()[..], [64; 32]);
    // The thread may look at its memory before it has been idle.
    let look = |memory: &mut Memory| Ok(vec![u8::try_from(memory.used()).unwrap(); 32].into());
    while lane.run(turn(1), std::future::pending(), look).await.unwrap()[..] != [0; 32] {}
}

#[tokio::test]
async fn a_hash_verifies_its_own_password_only_and_a_stranger_costs_the_same() {
    let hasher = PasswordHasher::start(cheap(), Kernel::choose().unwrap().kernel, 1, 4).unwrap();
    let hash = hasher.hash(&password("s3cur3pass"), turn(1)).await.unwrap();
    assert!(hasher.verify(&password("s3cur3pass"), Some(&hash), turn(1)).await.unwrap().matches);
    assert!(!hasher.verify(&password("S3cur3pass"), Some(&hash), turn(1)).await.unwrap().matches);
    assert_eq!(hasher.runs(), 3);
    assert!(!hasher.verify(&password("s3cur3pass"), None, turn(1)).await.unwrap().matches);
    assert_eq!(hasher.runs(), 4);
}

#[tokio::test]
async fn a_hash_made_by_another_implementation_verifies_and_is_outdated_when_weaker() {
    // The output of `echo -n s3cur3pass | argon2 saltsaltsaltsalt -id -t 2 -k 256 -p 1 -l 32 -e`, the C reference.
    let hash = PasswordHash::parse(REFERENCE).unwrap();
    for (params, outdated) in [(cheap(), false), (Params::default(), true)] {
        let hasher = PasswordHasher::start(params, Kernel::choose().unwrap().kernel, 1, 4).unwrap();
        let verdict = hasher.verify(&password("s3cur3pass"), Some(&hash), turn(1)).await.unwrap();
        assert_eq!((verdict.matches, verdict.outdated), (true, outdated));
    }
}

#[tokio::test]
async fn what_one_kernel_has_hashed_every_other_verifies_and_the_crate_hashes_what_has_more_lanes() {
    let password = password("s3cur3pass");
    for params in [cheap(), Params::new(64, 2, 4, None).unwrap()] {
        let hashers: Vec<_> =
            Kernel::available().map(|kernel| PasswordHasher::start(params.clone(), kernel, 1, 4).unwrap()).collect();
        for (by, verifies) in hashers.iter().flat_map(|by| hashers.iter().map(move |verifies| (by, verifies))) {
            let hash = by.hash(&password, turn(1)).await.unwrap();
            let verdict = verifies.verify(&password, Some(&hash), turn(1)).await.unwrap();
            assert!(verdict.matches, "{by:?} {verifies:?}");
        }
    }
}

const REFERENCE: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";

#[tokio::test]
async fn a_thread_that_stays_idle_gives_its_memory_back_and_takes_it_again() {
    let hasher = PasswordHasher::start(cheap(), Kernel::choose().unwrap().kernel, 1, 4).unwrap();
    for _ in 0..2 {
        hasher.verify(&password("s3cur3pass"), None, turn(0)).await.unwrap();
        let begun = Instant::now();
        while hasher.stats().memory > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "it keeps {} bytes", hasher.stats().memory);
            tokio::task::yield_now().await;
        }
    }
}
