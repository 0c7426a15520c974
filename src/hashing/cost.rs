//! The cost of a hash: the parameters of argon2id as an operator writes them, no weaker than recommended and no
//! costlier than a stored hash may be.

use argon2::Params;

use super::machine;
use crate::domain::PasswordHash;
use crate::domain::password_hash::HashCost;

pub use crate::domain::password_hash::argon2::FLOORS;

/// Writes parameters as PHC strings do: `m=19456,t=2,p=1`.
pub fn to_text(params: &Params) -> String {
    format!("m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost())
}

/// Reads what [`to_text`] writes, within the bounds.
pub fn parse(text: &str) -> Result<Params, &'static str> {
    let mut costs = ["m", "t", "p"].into_iter().zip(text.split(',')).map(|(name, field)| {
        let digits = field.strip_prefix(name)?.strip_prefix('=')?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse::<u32>().ok() } else { None }
    });
    let mut cost = || costs.next().flatten().filter(|_| text.split(',').count() == 3);
    let (Some(m), Some(t), Some(p)) = (cost(), cost(), cost()) else {
        return Err("write m=KIBIBYTES,t=PASSES,p=LANES, as in m=19456,t=2,p=1");
    };
    if !FLOORS.iter().any(|floor| m >= floor.0 && t >= floor.1) {
        return Err(
            "too weak: write m=19456,t=2,p=1 or more, or at least one of m=47104,t=1 m=12288,t=3 m=9216,t=4 m=7168,t=5",
        );
    }
    Params::new(m, t, p, None)
        .ok()
        .filter(PasswordHash::is_bearable)
        .ok_or("too costly: write at most m=262144 (256 MiB), t=16 and p=4")
}

/// Reads `m=2097152,t=1`: the memory in KiB, and the work as the passes of argon2id through it.
pub fn parse_import(text: &str) -> Result<HashCost, &'static str> {
    let number = |field: &str, name| {
        let digits = field.strip_prefix(name).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u32>().ok().filter(|number| *number > 0)
    };
    let read = text.split_once(',').and_then(|(m, t)| Some((number(m, "m=")?, number(t, "t=")?)));
    let (m, t) = read.ok_or("write m=KIBIBYTES,t=PASSES, as in m=2097152,t=1")?;
    let cost = HashCost { work: u64::from(m) * u64::from(t), memory: m.into() };
    let is_bearable = cost.memory <= HashCost::CEILING.memory && cost.work <= HashCost::CEILING.work;
    if is_bearable { Ok(cost) } else { Err("too costly: write at most m=2097152 (2 GiB) and t=4") }
}

/// The threads need more memory than the machine has.
#[derive(Debug, thiserror::Error)]
#[error(
    "HASH_THREADS={threads} and HASH_PARAMS={params} need {need} MiB of memory, but there are only {have} MiB: lower \
     HASH_THREADS or the m= of HASH_PARAMS"
)]
pub struct MemoryError {
    threads: usize,
    params: String,
    need: u64,
    have: u64,
}

/// The memory in MiB that is left to the rest of the process.
const HEADROOM: u64 = 32;

const MIB: u64 = 1_024 * 1_024;

/// Returns one thread for each core, or fewer when memory is short.
pub fn threads(params: &Params) -> usize {
    let cores = machine::cores();
    let Some(bytes) = machine::memory() else { return cores };
    let each = (u64::from(params.m_cost()) * 1_024).max(1);
    let fit = bytes.saturating_sub(HEADROOM * MIB) / each;
    cores.min(fit.try_into().unwrap_or(usize::MAX)).max(1)
}

/// Checks that the machine has enough memory for hashing on every thread, where its memory is known.
pub fn require_memory(params: &Params, threads: usize) -> Result<(), MemoryError> {
    let need = threads as u64 * u64::from(params.m_cost()) * 1_024 / MIB + HEADROOM;
    match machine::memory() {
        Some(bytes) if bytes / MIB < need => {
            Err(MemoryError { threads, params: to_text(params), need, have: bytes / MIB })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use argon2::Params;

    use super::{FLOORS, HashCost, parse, parse_import, to_text};

    #[test]
    fn parameters_are_written_as_in_a_stored_hash() {
        assert_eq!(to_text(&parse("m=19456,t=2,p=1").unwrap()), "m=19456,t=2,p=1");
        assert_eq!(to_text(&Params::default()), "m=19456,t=2,p=1", "the library's default is the recommended one");
        for text in ["", "m=19456", "m=19456,t=2", "t=2,m=19456,p=1", "m=19456,t=2,p=1,x=1", "m=+19456,t=2,p=1"] {
            assert!(parse(text).unwrap_err().starts_with("write m="), "{text}");
        }
        for text in ["m=19456,t=2,p=", "m=19456,t=2,p=1 ", "m=19 456,t=2,p=1", "m=99999999999,t=2,p=1", "19456,2,1"] {
            assert!(parse(text).unwrap_err().starts_with("write m="), "{text}");
        }
    }

    #[test]
    fn the_bound_of_imports_is_written_as_memory_and_passes() {
        assert_eq!(parse_import("m=2097152,t=1"), Ok(HashCost::DEFAULT));
        assert_eq!(parse_import("m=2097152,t=4"), Ok(HashCost::CEILING));
        for text in ["", "m=1", "t=1,m=1", "m=0,t=1", "m=1,t=", "m=1,t=1,p=1", "m=+1,t=1", "m=9223372036854775808,t=1"]
        {
            assert!(parse_import(text).unwrap_err().starts_with("write m="), "{text}");
        }
        for text in ["m=2097153,t=1", "m=2097152,t=5", "m=1,t=4294967295"] {
            assert!(parse_import(text).unwrap_err().starts_with("too costly"), "{text}");
        }
    }

    #[test]
    fn parameters_have_a_floor_and_a_ceiling() {
        for (m, t) in FLOORS {
            assert!(parse(&format!("m={m},t={t},p=1")).is_ok(), "{m} {t}");
            assert!(parse(&format!("m={},t={t},p=1", m - 1)).unwrap_err().starts_with("too weak"), "{m} {t}");
        }
        for text in ["m=19456,t=1,p=1", "m=8,t=1,p=1", "m=7168,t=4,p=4", "m=0,t=0,p=0"] {
            assert!(parse(text).unwrap_err().starts_with("too weak"), "{text}");
        }
        assert!(parse("m=262144,t=16,p=4").is_ok());
        for text in ["m=262145,t=2,p=1", "m=19456,t=17,p=1", "m=19456,t=2,p=5", "m=19456,t=2,p=0"] {
            assert!(parse(text).unwrap_err().starts_with("too costly"), "{text}");
        }
    }
}
