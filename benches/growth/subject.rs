//! A server with some amount of data, and its comparison with servers that have more.

use argon2::Params;
use tempfile::TempDir;

use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Process, Row, data, machine, yardsticks};
use crate::postgres::Database;

/// Coprime to every number of accounts here. Steps of this size visit every account once before any comes again, in an
/// order that is bad for caches and disks.
const STEP: u64 = 611_953;

pub struct Subject {
    name: String,
    process: Process,
    accounts: u64,
    connections: usize,
    // Dropped after the process that uses it.
    _database: Option<Database>,
    _folder: TempDir,
}

impl Subject {
    /// Starts a server on a database of PostgreSQL if one is given, or else on SQLite.
    pub fn start(name: String, database: Option<Database>, accounts: u64, revocations: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = || format!("sqlite:{}", folder.path().join("countersign.db").display());
        let url = database.as_ref().map_or_else(file, Database::url);
        data::add_accounts(&url, 1, accounts, &Params::default());
        if revocations > 0 {
            add_revocations(&url, revocations);
        }
        let process = Process::server(folder.path(), &url, machine::cores().first().copied());
        Self { name, process, accounts, connections: 8, _database: database, _folder: folder }
    }

    /// Starts a server that only echoes.
    pub fn echo(name: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = yardsticks::start(folder.path(), machine::cores().first().copied(), yardsticks::ECHO);
        Self { name, process, accounts: 1_000, connections: 8, _database: None, _folder: folder }
    }

    /// The same subject, driven over this many connections.
    pub fn over(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// `Me` of this many accounts, or of all.
    pub fn me(&self, many: u64) -> Vec<Call> {
        data::me(self.some(many))
    }

    /// The sign-ins of this many accounts, or of all.
    pub fn sign_ins(&self, many: u64) -> Vec<Call> {
        data::sign_ins(self.some(many))
    }

    fn some(&self, many: u64) -> impl Iterator<Item = u64> {
        (0..many.min(self.accounts)).map(|index| index * STEP % self.accounts + 1)
    }
}

/// Compares the time of a call: that of each subject ÷ that of the first one, round by round.
pub fn compare(
    bench: &mut Bench,
    what: &str,
    subjects: &[Subject],
    goal: Option<Goal>,
    load: impl Fn(&Subject) -> (Vec<Call>, Pace),
) {
    let core = machine::cores().last().copied();
    let loads: Vec<_> = subjects.iter().map(load).collect();
    let mut found: Vec<Vec<Outcome>> = subjects.iter().map(|_| Vec::new()).collect();
    bench.each_round(|round| {
        for turn in 0..subjects.len() {
            let at = if round % 2 == 0 { turn } else { subjects.len() - 1 - turn };
            let ((calls, pace), Subject { process, connections, .. }) = (&loads[at], &subjects[at]);
            let load = Load::new(process.address, calls, *connections, *pace, bench.spell());
            found[at].push(Load { warm: bench.warm(), core, server: Some(process.id()), ..load }.run());
        }
    });
    for (subject, outcomes) in subjects.iter().zip(&found) {
        outcomes.iter().for_each(|outcome| bench.check(&format!("{what}, {}", subject.name), outcome));
    }
    let times = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| 1e6 / outcome.rate()).collect::<Vec<_>>();
    let cpu = |outcomes: &[Outcome]| outcomes.iter().map(Outcome::server_us).collect::<Vec<_>>();
    let shares = |outcomes: &[Outcome]| outcomes.iter().map(Outcome::load_cores).collect::<Vec<_>>();
    for (subject, outcomes) in subjects.iter().zip(&found).skip(1) {
        let against = format!("{} ÷ {}", subject.name, subjects[0].name);
        let row = Row::ratio(format!("{what}: {against}"), "µs", times(outcomes), times(&found[0]));
        bench.row(Row { goals: [goal, None], ..row });
        bench.row(Row::ratio("  server CPU a call", "µs", cpu(outcomes), cpu(&found[0])));
        bench.row(Row::ratio("  load's share of its core", "", shares(outcomes), shares(&found[0])));
    }
}

/// Adds revocations of sessions that do not exist. They expire in the year 2100.
fn add_revocations(database: &str, count: u64) {
    let numbers = if data::is_sqlite(database) {
        format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
             select randomblob(16), 4102444800000 from n"
        )
    } else {
        format!("select gen_random_uuid(), 4102444800000 from generate_series(1, {count})")
    };
    data::execute(database, &format!("insert into revocations (session_id, expires_at) {numbers}"));
}
