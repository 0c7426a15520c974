//! The scenes, one a question, and what more than one of them needs.

pub mod checks;

use tempfile::TempDir;

use crate::harness::{Process, data, machine};

/// Accounts in the database of every scene.
pub const ACCOUNTS: u64 = 1_000;

/// A server with a database of its own.
pub struct Ours {
    pub process: Process,
    _folder: TempDir,
}

impl Ours {
    pub fn start(core: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("countersign.db").display());
        data::add_accounts(&database, 1, ACCOUNTS);
        Self { process: Process::server(folder.path(), &database, core, &[]), _folder: folder }
    }
}

/// A core for the server and one for the load: the first and the last that this process may use.
pub fn two_cores() -> (Option<usize>, Option<usize>) {
    let cores = machine::cores();
    (cores.first().copied(), cores.last().copied())
}
