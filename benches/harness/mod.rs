//! What the benchmarks that start the real server share: the load ([`load`], with [`wire`], [`connection`] and
//! [`outcome`]), the processes ([`process`], [`machine`]), what is in the database ([`data`]), and the command line, the
//! table and the JSON ([`report`]).

pub mod connection;
pub mod data;
pub mod load;
pub mod machine;
pub mod outcome;
pub mod process;
pub mod report;
pub mod wire;

pub use load::{Load, Pace};
pub use outcome::Outcome;
pub use process::Process;
pub use report::{Bench, Goal, Row};
