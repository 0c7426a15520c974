//! What each kernel gains: `cargo bench --bench kernel`. Every kernel of this processor, the `argon2` crate as it is
//! usually called and with its memory reused, and the C implementation where it is at hand (see `c.rs`), on one thread
//! and on as many as there are cores, one after the other in every round. All make the same hash, or the run ends.
//!
//! `-- --memory 65536 --passes 3 --rounds 31` for other hashes; `-- --short` says in seconds whether it works. Nothing
//! else must run meanwhile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that fails has nothing to say")]

mod c;

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use argon2::{Algorithm, Argon2, Version};
use argon2_kernel::{Kernel, Memory, Params};

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"sixteen bytes of";

/// Whoever makes the hash.
enum Contender {
    Kernel(Kernel),
    /// The crate with memory of its own for each hash.
    Anew,
    C(c::Library),
}

impl Contender {
    fn name(&self) -> String {
        match self {
            Self::Kernel(Kernel::PORTABLE) => "argon2 crate, memory reused".to_owned(),
            Self::Kernel(kernel) => format!("kernel {kernel}"),
            Self::Anew => "argon2 crate, as usually called".to_owned(),
            Self::C(library) => library.name().to_owned(),
        }
    }

    fn hash(&self, params: Params, memory: &mut Memory) -> [u8; 32] {
        match self {
            Self::Kernel(kernel) => kernel.fill(PASSWORD, SALT, params, memory).unwrap(),
            Self::Anew => {
                let mut output = [0; 32];
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params.try_into().unwrap())
                    .hash_password_into(PASSWORD, SALT, &mut output)
                    .unwrap();
                output
            }
            Self::C(library) => library.hash(PASSWORD, SALT, params, memory),
        }
    }
}

/// Milliseconds a hash: of each contender, in each round, on all threads.
fn race(contenders: &[Contender], params: Params, threads: usize, rounds: usize) -> Vec<Vec<f64>> {
    let together = Barrier::new(threads);
    let run = || {
        let mut memory = Memory::allocate(params.blocks()).unwrap();
        let mut times = vec![Vec::new(); contenders.len()];
        for round in 0..=rounds {
            let mut outputs = Vec::new();
            for turn in 0..contenders.len() {
                // Each is the first as often as the others, and every other round goes backwards.
                let turn = if round % 2 == 0 { turn } else { contenders.len() - 1 - turn };
                let at = (turn + round / 2) % contenders.len();
                together.wait();
                let begun = Instant::now();
                outputs.push(contenders[at].hash(params, &mut memory));
                // The first round warms up.
                if round > 0 {
                    times[at].push(begun.elapsed().as_secs_f64() * 1e3);
                }
            }
            assert!(outputs.iter().all(|output| *output == outputs[0]), "they do not make the same hash");
        }
        times
    };
    let of_threads: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mean = |at: usize, round: usize| of_threads.iter().map(|times| times[at][round]).sum::<f64>() / threads as f64;
    (0..contenders.len()).map(|at| (0..rounds).map(|round| mean(at, round)).collect()).collect()
}

/// The quartiles.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

fn report(contenders: &[Contender], times: &[Vec<f64>], threads: usize) {
    let base =
        contenders.iter().position(|contender| matches!(contender, Contender::Kernel(Kernel::PORTABLE))).unwrap();
    println!("\n{threads} thread(s){:>33} {:>10} {:>22}", "ms a hash", "a second", "as fast as the crate");
    for (contender, of_this) in contenders.iter().zip(times) {
        let [low, median, high] = quartiles(times[base].iter().zip(of_this).map(|(base, this)| base / this).collect());
        let [_, ms, _] = quartiles(of_this.clone());
        let name = contender.name();
        println!("{name:<34} {ms:>9.2} {:>10.1} {median:>10.2} ({low:.2}–{high:.2})", threads as f64 * 1e3 / ms);
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u32| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(otherwise, |at| {
            arguments.get(at + 1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} NUMBER"))
        })
    };
    let short = arguments.iter().any(|argument| argument == "--short");
    let params = Params::new(number("--memory", 19_456), number("--passes", 2)).unwrap();
    let rounds = number("--rounds", if short { 3 } else { 41 }) as usize;
    let mut contenders = vec![Contender::Anew];
    contenders.extend(Kernel::available().map(Contender::Kernel));
    contenders.extend(c::libraries().into_iter().map(Contender::C));
    println!(
        "argon2id, m={} KiB, t={}, p=1; {rounds} rounds; memory on huge pages but for the first; medians and quartiles",
        params.memory(),
        params.passes()
    );
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, cores.max(2)] {
        report(&contenders, &race(&contenders, params, threads, rounds), threads);
    }
}
