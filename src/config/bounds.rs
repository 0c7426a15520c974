//! The limits of what clients may hold at a time: connections, calls and bytes of bodies, in total and for each
//! address. Separate from the other settings because they are chosen together. `transport/bounds` enforces them.

use std::time::Duration;

use clap::Args;

use super::{duration, number};
use crate::hashing::machine;

/// The limits of what clients may hold at a time. IPv6 addresses are counted by /64.
#[derive(Debug, Clone, Args)]
pub(crate) struct BoundSettings {
    /// The most connections that may be open; further ones wait until one ends
    #[arg(long, env, global = true, default_value = "20000", value_parser = number::<1_000_000>)]
    pub max_connections: usize,

    /// The most connections of one address that is not a trusted proxy; further ones are closed at once
    /// [default: 12000, or MAX_CONNECTIONS if that is less]
    #[arg(long, env, global = true, value_parser = number::<1_000_000>)]
    pub max_connections_per_address: Option<usize>,

    /// The age at which a connection is asked to end, so that a load balancer can spread clients anew
    #[arg(long, env, global = true, default_value = "1h", value_parser = duration)]
    pub max_connection_age: Duration,

    /// The most calls in progress, without streams; further ones are refused as OVERLOADED
    #[arg(long, env, global = true, default_value = "8000", value_parser = number::<1_000_000>)]
    pub max_calls: usize,

    /// The most calls in progress of one address [default: 2000, or MAX_CALLS if that is less]
    #[arg(long, env, global = true, value_parser = number::<1_000_000>)]
    pub max_calls_per_address: Option<usize>,

    /// The memory for request bodies that have not arrived completely; the slowest is refused as OVERLOADED
    #[arg(long, env, global = true, default_value = "64MiB", value_parser = bytes)]
    pub max_body_bytes: usize,

    /// The part of MAX_BODY_BYTES that one address may use [default: 16MiB, or MAX_BODY_BYTES if that is less]
    #[arg(long, env, global = true, value_parser = bytes)]
    pub max_body_bytes_per_address: Option<usize>,
}

/// Why the limits cannot be enforced.
#[derive(Debug, thiserror::Error)]
pub enum BoundsError {
    /// One address would be allowed more than all addresses together.
    #[error("{0}_PER_ADDRESS must not be more than {0}")]
    MoreThanAll(&'static str),
    /// Some hash threads would never have a password to hash.
    #[error(
        "MAX_CALLS={calls} lets fewer sign-ins be under way than there are hash threads ({threads}): raise MAX_CALLS to \
             {least}, or lower HASH_THREADS"
    )]
    FewerThanHashThreads {
        /// The limit of calls.
        calls: usize,
        /// The number of hash threads.
        threads: usize,
        /// The lowest limit of calls with that many threads.
        least: usize,
    },
    /// The limits allow more memory than there is.
    #[error("{setting} lets clients take {need} MiB of memory, but there are only {have} MiB: lower {setting}")]
    Memory {
        /// The name of the setting.
        setting: &'static str,
        /// The memory that the setting may take, in MiB.
        need: u64,
        /// The memory of the machine or container, in MiB.
        have: u64,
    },
}

/// The largest body and the largest head, in bytes: the least that a call may need.
const MESSAGE: usize = 64 * 1_024;
const HEAD: u64 = 16 * 1_024;

const MIB: u64 = 1_024 * 1_024;

impl BoundSettings {
    /// Returns the part of [`Self::max_connections`] that one address may have.
    pub(crate) fn connections_of_one(&self) -> usize {
        self.max_connections_per_address.unwrap_or(12_000.min(self.max_connections))
    }

    /// Returns the part of [`Self::max_calls`] that one address may have.
    pub(crate) fn calls_of_one(&self) -> usize {
        self.max_calls_per_address.unwrap_or(2_000.min(self.max_calls))
    }

    /// Returns the part of [`Self::max_body_bytes`] that one address may have.
    pub(crate) fn body_bytes_of_one(&self) -> usize {
        self.max_body_bytes_per_address.unwrap_or((16 * 1_024 * 1_024).min(self.max_body_bytes))
    }

    /// Checks that the limits go together, suffice for the hash threads and fit into memory.
    pub(crate) fn check(&self, threads: usize) -> Result<(), BoundsError> {
        for (setting, all, of_one) in [
            ("MAX_CONNECTIONS", self.max_connections, self.connections_of_one()),
            ("MAX_CALLS", self.max_calls, self.calls_of_one()),
            ("MAX_BODY_BYTES", self.max_body_bytes, self.body_bytes_of_one()),
        ] {
            if of_one > all {
                return Err(BoundsError::MoreThanAll(setting));
            }
        }
        // Sign-ins leave a quarter of the calls to others.
        let least = threads + (threads - 1) / 3;
        if self.max_calls < least {
            return Err(BoundsError::FewerThanHashThreads { calls: self.max_calls, threads, least });
        }
        let Some(have) = machine::memory() else { return Ok(()) };
        for (setting, need) in [
            // A connection may hold a half-sent head, and a call holds its head until it is answered.
            ("MAX_CONNECTIONS", self.max_connections as u64 * HEAD),
            ("MAX_CALLS", self.max_calls as u64 * HEAD),
            ("MAX_BODY_BYTES", self.max_body_bytes as u64),
        ] {
            if need > have {
                return Err(BoundsError::Memory { setting, need: need / MIB, have: have / MIB });
            }
        }
        Ok(())
    }
}

/// Reads `64KiB`, `64MiB` or `1GiB`: a whole number with a unit, no less than one message.
fn bytes(text: &str) -> Result<usize, &'static str> {
    const FORM: &str =
        "write a whole number and a unit, as in 64KiB, 64MiB or 1GiB, of at least 64KiB, which is one message";
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (digits, power) = units.iter().find_map(|(unit, power)| Some((text.strip_suffix(unit)?, power))).ok_or(FORM)?;
    let bytes = number::<1_048_576>(digits).map_err(|_| FORM)?.checked_mul(1 << power).ok_or(FORM)?;
    if bytes >= MESSAGE { Ok(bytes) } else { Err(FORM) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn an_amount_is_a_number_and_a_unit_and_has_room_for_a_message() {
        for (text, expected) in [("64KiB", 65_536), ("1MiB", 1_048_576), ("2GiB", 2_147_483_648)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in
            ["", "0", "0MiB", "63KiB", "65536", "64", "64kb", "64MB", "-1MiB", "1.5MiB", "MiB", "64 MiB", "+1GiB"]
        {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }
}
