//! Shared code of the benchmarks that start the real server: the load ([`load`], with [`wire`], [`connection`],
//! [`schedule`] and [`outcome`]) and a client for one request at a time ([`client`]), the processes ([`process`],
//! [`machine`]), the servers to compare with ([`yardsticks`]), the database ([`data`]), and the command line, the JSON
//! ([`report`]), the table ([`table`]) and the comparison with the last quoted run ([`judge`]).

pub mod client;
pub mod connection;
pub mod data;
pub mod judge;
pub mod load;
pub mod machine;
pub mod outcome;
pub mod process;
pub mod report;
pub mod schedule;
pub mod table;
pub mod wire;
pub mod yardsticks;

pub use load::{Load, Pace};
pub use outcome::Outcome;
pub use process::Process;
pub use report::Bench;
pub use table::{Goal, Row};
