//! What the benchmarks that start the real server share: the load ([`load`], with [`wire`], [`connection`],
//! [`schedule`] and [`outcome`]), the processes ([`process`], [`machine`]), what they are compared with
//! ([`yardsticks`]), what is in the database ([`data`]), and the command line, the JSON ([`report`]) and the table
//! ([`table`]).

pub mod connection;
pub mod data;
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
