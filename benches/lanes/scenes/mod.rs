//! The scenes, one for each question, and their shared code.

pub mod algorithms;
pub mod checks;
pub mod connections;
pub mod crowds;
pub mod half_sent;
pub mod neighbours;
mod proxies;
pub mod refusals;
pub mod rest;
pub mod rush;
pub mod sign_ins;
pub mod start;
pub mod together;

use std::time::Duration;

use argon2::Params;
use argon2_kernel::Kernel;
use countersign::hashing::cost;
use tempfile::TempDir;

use crate::harness::process::kernel_setting;
use crate::harness::wire::Call;
use crate::harness::{Bench, Load, Pace, Process, data, machine, yardsticks};

/// The number of accounts in the database of every scene.
pub const ACCOUNTS: u64 = 1_000;

/// The memory of one hash with the default parameters, in MiB.
const HASH_MIB: f64 = 19.0;

/// Callers that sign in without pause, more than there are hashing threads.
const CALLERS: Pace = Pace::Turns { at_once: 64 };
const CALLERS_CONNECTIONS: usize = 4;

/// A server with a database of its own.
pub struct Ours {
    pub process: Process,
    folder: TempDir,
}

impl Ours {
    pub fn start(core: Option<usize>) -> Self {
        let (folder, database) = Self::database(&Params::default());
        Self { process: Process::server(folder.path(), &database, core), folder }
    }

    /// A server on all cores, with this kernel and these parameters.
    pub fn hashing(kernel: Kernel, params: &Params) -> Self {
        let cost = cost::to_text(params);
        Self::with(params, &[("HASH_KERNEL", kernel.name()), ("HASH_PARAMS", cost.as_str())])
    }

    /// A server on all cores, with accounts whose hashes have these parameters, and with these settings.
    pub fn with(params: &Params, settings: &[(&str, &str)]) -> Self {
        Self::on(None, params, settings)
    }

    /// The same on one core.
    pub fn on(core: Option<usize>, params: &Params, settings: &[(&str, &str)]) -> Self {
        let (folder, database) = Self::database(params);
        Self { process: Process::server_with(folder.path(), &database, core, settings), folder }
    }

    fn database(params: &Params) -> (TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("countersign.db").display());
        data::add_accounts(&database, 1, ACCOUNTS, params);
        (folder, database)
    }

    /// A load of these calls, with the warm-up and the length of the command line.
    pub fn load<'a>(&self, bench: &Bench, calls: &'a [Call], connections: usize, pace: Pace) -> Load<'a> {
        let load = Load::new(self.process.address, calls, connections, pace, bench.spell());
        Load { warm: bench.warm(), server: Some(self.process.id()), ..load }
    }

    /// A load of 64 callers that sign in without pause.
    pub fn sign_ins<'a>(&self, bench: &Bench, calls: &'a [Call]) -> Load<'a> {
        self.load(bench, calls, CALLERS_CONNECTIONS, CALLERS)
    }

    /// A load of `Me` at a fixed rate.
    pub fn me<'a>(&self, bench: &Bench, calls: &'a [Call], per_second: f64, spell: Duration) -> Load<'a> {
        Load { spell, ..self.load(bench, calls, 8, Pace::Open { per_second }) }
    }
}

/// The hashes a second on all cores, made as the server makes them.
pub fn raw_hashes(bench: &Bench) -> f64 {
    yardsticks::hashes(kernel(), &Params::default(), bench.spell())
}

/// The kernel of the server: the one that `HASH_KERNEL` names, or the fastest.
fn kernel() -> Kernel {
    let named = kernel_setting().and_then(|name| Kernel::available().find(|it| it.name() == name));
    named.unwrap_or_else(|| Kernel::choose().unwrap().kernel)
}

/// A core for the server and one for the load: the first and the last that this process may use.
pub fn two_cores() -> (Option<usize>, Option<usize>) {
    let cores = machine::cores();
    (cores.first().copied(), cores.last().copied())
}

/// The memory of all threads of the lane while each hashes, in MiB. There is one thread per core.
pub fn lane_mib() -> f64 {
    machine::cores().len() as f64 * HASH_MIB
}
