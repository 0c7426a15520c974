//! The cost of asking the set of revocations, and its memory: `cargo bench --bench revocations`.
//!
//! The benchmark compares it, in turn, with the least cost of such a question: one look-up in a bare hash table of as
//! many ids, without a lock. The set has two look-ups (the session and the account), each under a shared lock. Every id
//! is asked once a round in random order, so the memory is not in the cache, as in a server that does other work.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_guard::clock::{Clock as _, SystemClock};
use countersign_guard::revocations::{Revocation, Revocations};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    println!("ns an ask: min / median / max of {ROUNDS} rounds in turn; bytes an entry: of resident memory");
    println!(
        "{:>9}  {:^18}  {:^18}  {:^18}  {:>6}  {:>5}",
        "live", "good token", "revoked token", "bare table", "ratio", "bytes"
    );
    // At 459,000 the tables have just doubled, so an entry has the most bytes.
    for live in [0, 10_000, 100_000, 459_000, 1_000_000] {
        measure(live)?;
    }
    Ok(())
}

fn measure(live: usize) -> Result<(), Box<dyn Error>> {
    let until = SystemClock.now() + Duration::from_secs(86_400);
    let (revoked, good, accounts) = (ids(live)?, ids(1_000_000)?, ids(1_000_000)?);
    let bare: HashMap<Uuid, u32> = revoked.iter().map(|&id| (id, 1)).collect();
    let before = resident()?;
    let set = Revocations::default();
    for (index, &id) in revoked.iter().enumerate() {
        // One in ten revokes an account, with all earlier sessions.
        let one = if index % 10 == 0 { Revocation::Account { id, epoch: 1 } } else { Revocation::Session(id) };
        set.insert(one, until);
    }
    // A smaller set would fit into the memory that earlier rounds have freed.
    let bytes = (live > 400_000).then(|| resident().map(|now| now.saturating_sub(before) / live)).transpose()?;

    let account = |index: usize| accounts[index % accounts.len()];
    let mut of = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        of[0].push(ask(&good, |index, id| set.contains(id, account(index), 0)));
        of[1].push(ask(&revoked, |index, id| set.contains(id, account(index), 0)));
        of[2].push(ask(&good, |_, id| bare.contains_key(&id)));
    }
    let [(good, middle), (revoked, _), (bare, least)] = of.map(summary);
    let bytes = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    println!("{live:>9}  {good:^18}  {revoked:^18}  {bare:^18}  {:>6.1}  {bytes:>5}", middle / least);
    Ok(())
}

/// The nanoseconds of one question.
fn ask(ids: &[Uuid], question: impl Fn(usize, Uuid) -> bool) -> f64 {
    let began = Instant::now();
    for (index, &id) in ids.iter().enumerate() {
        black_box(question(index, black_box(id)));
    }
    began.elapsed().as_secs_f64() * 1e9 / ids.len() as f64
}

fn summary(mut rounds: Vec<f64>) -> (String, f64) {
    rounds.sort_by(f64::total_cmp);
    let (least, middle, most) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
    if !middle.is_finite() {
        return ("-".to_owned(), middle);
    }
    (format!("{least:.0} / {middle:.0} / {most:.0}"), middle)
}

fn ids(count: usize) -> Result<Vec<Uuid>, Box<dyn Error>> {
    let mut bytes = vec![0; count * 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.as_chunks::<16>().0.iter().map(|&id| uuid::Builder::from_random_bytes(id).into_uuid()).collect())
}

/// The resident memory of this process in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(size.trim().trim_end_matches("kB").trim().parse::<usize>()? * 1_024)
}
