//! `countersign calibrate`: measures the cost of hashing on this machine with the server's own password lane.

use std::time::{Duration, Instant};

use argon2::Params;
use argon2_kernel::Kernel;
use tokio::task::JoinSet;

use super::{CommandError, kernel, say};
use crate::config::Settings;
use crate::domain::password_hash::HashCost;
use crate::domain::{Password, PasswordHash};
use crate::hashing::{HashError, PasswordHasher, Turn, cost};

/// Memory in KiB and passes, beyond the minimum, cheapest first.
const STRONGER: [(u32, u32); 5] = [(32_768, 2), (47_104, 2), (65_536, 2), (65_536, 3), (131_072, 3)];

/// The measurement of one set of parameters.
struct Measurement {
    params: Params,
    /// The time of one hash while every thread is hashing.
    time: Duration,
    /// Hashes a second of all threads together.
    rate: f64,
}

/// Prints a table, and the costliest parameters with a hash that takes no longer than `target`.
pub(crate) async fn calibrate(settings: &Settings, target: Duration, within: Duration) -> Result<(), CommandError> {
    let threads = settings.hash_threads();
    let until = Instant::now() + within;
    let mut costs: Vec<_> = cost::FLOORS.into_iter().chain(STRONGER).collect();
    costs.sort_by_key(|(m, t)| m * t);
    // A third of the time goes to allocating memory and to the last hash of each set.
    let each = within * 2 / 3 / u32::try_from(costs.len()).unwrap_or(1);
    let kernel = kernel(settings)?;
    say(&format!("threads that hash at once: {threads}, with the kernel {kernel}"))?;
    say("parameters         ms a hash  sign-ins a second  of one thread  memory")?;
    let mut rows = Vec::new();
    for (m, t) in costs {
        let params = Params::new(m, t, 1, None).map_err(|_| HashError::Failed("unusable parameters"))?;
        if Instant::now() >= until {
            break;
        }
        if cost::require_memory(&params, threads).is_err() {
            continue;
        }
        let row = measure(params, kernel, threads, each).await?;
        say(&format!(
            "{:<17}  {:>9.1}  {:>17.1}  {:>13.1}  {} MiB",
            cost::to_text(&row.params),
            row.time.as_secs_f64() * 1_000.0,
            row.rate,
            row.rate / threads as f64,
            threads * row.params.block_count() / 1_024,
        ))?;
        rows.push(row);
    }
    say("")?;
    let (params, why) = recommended(&rows, target);
    say(&format!("HASH_PARAMS={}", cost::to_text(&params)))?;
    let dearest = rows.last().map(|row| dearest_import(row, settings.import_hash_cost)).unwrap_or_default();
    say(&format!("{why}{dearest}"))
}

/// Says what the dearest hash costs that an import takes, judged by a measurement.
fn dearest_import(row: &Measurement, HashCost { work, memory }: HashCost) -> String {
    let seconds = row.time.as_secs_f64() * work as f64 / PasswordHash::work_of(&row.params) as f64;
    format!(" The dearest hash that IMPORT_HASH_COST allows takes about {seconds:.1} s and {} MiB.", memory / 1_024)
}

/// Measures one set of parameters for `time`, with every thread hashing.
async fn measure(params: Params, kernel: Kernel, threads: usize, time: Duration) -> Result<Measurement, CommandError> {
    let hasher = PasswordHasher::start(params.clone(), kernel, threads, threads)?;
    // This first round allocates the memory of each thread.
    hash_until(&hasher, threads, Instant::now()).await?;
    let (begun, before) = (Instant::now(), hasher.stats().run);
    hash_until(&hasher, threads, begun + time).await?;
    let (elapsed, run) = (begun.elapsed(), hasher.stats().run);
    let count = (run.count() - before.count()) as f64;
    let time = Duration::from_secs_f64((run.sum - before.sum) / count);
    Ok(Measurement { params, time, rate: count / elapsed.as_secs_f64() })
}

/// Keeps every thread hashing until `until`, for one hash at least.
async fn hash_until(hasher: &PasswordHasher, threads: usize, until: Instant) -> Result<(), HashError> {
    let turn = Turn { client: None, deadline: until + Duration::from_secs(60) };
    let password = Password::parse("a password to measure with".to_owned(), 1).map_err(HashError::Failed)?;
    let mut hashing = JoinSet::new();
    // Twice as many tasks as threads keep every thread busy.
    for _ in 0..2 * threads {
        let (hasher, password) = (hasher.clone(), password.clone());
        hashing.spawn(async move {
            loop {
                hasher.verify(&password, None, turn).await?;
                if Instant::now() >= until {
                    return Ok(());
                }
            }
        });
    }
    while let Some(done) = hashing.join_next().await {
        done.unwrap_or(Err(HashError::Failed("the measurement panicked")))?;
    }
    Ok(())
}

/// Returns the costliest parameters with two passes or more that are fast enough, never less than the default, and the
/// reason.
fn recommended(rows: &[Measurement], target: Duration) -> (Params, String) {
    let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let default = Params::default();
    let ms = target.as_millis();
    let quick = rows.iter().filter(|row| row.params.t_cost() >= 2 && row.time <= target);
    match quick.map(|row| &row.params).filter(|params| cost(params) >= cost(&default)).max_by_key(|params| cost(params))
    {
        Some(params) => (
            params.clone(),
            format!(
                "This is the highest cost with two passes or more that takes at most {ms} ms while every thread is hashing."
            ),
        ),
        None => (
            default,
            format!("This is the lowest recommended cost, although it takes more than {ms} ms on this machine."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Measurement, recommended};
    use crate::hashing::cost;

    #[test]
    fn the_costliest_that_is_quick_enough_is_recommended_and_never_less_than_the_default() {
        let rows = |times: &[(&str, u64)]| -> Vec<_> {
            let row = |(params, ms): &(&str, u64)| Measurement {
                params: cost::parse(params).unwrap(),
                time: Duration::from_millis(*ms),
                rate: 1.0,
            };
            times.iter().map(row).collect()
        };
        let default = "m=19456,t=2,p=1";
        for (name, times, expected) in [
            (
                "the costliest",
                &[(default, 20), ("m=32768,t=2,p=1", 50), ("m=47104,t=2,p=1", 51)][..],
                "m=32768,t=2,p=1",
            ),
            ("not one pass", &[(default, 20), ("m=47104,t=1,p=1", 20)], default),
            ("not a cheaper one", &[("m=7168,t=5,p=1", 20), (default, 51)], default),
            ("a slow machine", &[("m=7168,t=5,p=1", 200), (default, 200)], default),
            ("nothing measured", &[], default),
        ] {
            assert_eq!(cost::to_text(&recommended(&rows(times), Duration::from_millis(50)).0), expected, "{name}");
        }
    }
}
