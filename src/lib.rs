//! Countersign: a gRPC authentication service. One binary, one port; every authenticated answer is countersigned with a
//! fresh token.
//!
//! The modules in the order in which they depend on each other; `ARCHITECTURE.md` has the arrows and their reasons, and
//! `tests/it/arrows.rs` holds the code to them:
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | names, passwords, accounts and the failures of use cases; pure |
//! | [`import`] | readers of the files that accounts are imported from |
//! | [`pb`] | the generated messages, from `crates/proto` |
//! | [`activity`] | the time of each session's latest token, until it is written |
//! | [`budgets`] | limits of password guesses, registrations and requests for mail |
//! | [`meter`] | counters of calls |
//! | `probe` | asks a server over its port whether it answers |
//! | [`hashing`] | the password lane |
//! | [`breaches`] | passwords that are known from breaches, in a file |
//! | [`store`] | the database |
//! | `keys` | the keys of tokens: publication, rotation, the switch from the secret to keys and back |
//! | [`mail`] | sends the mail that is queued in the database |
//! | [`accounts`] | the use cases |
//! | [`grpc`] | the gRPC services behind the one stack |
//! | [`rest`] | REST for every RPC, and the two JSON APIs as projections of the RPCs |
//! | [`config`], `telemetry` | the settings and the log |
//! | `transport` | the port: listener, connections, TLS, limits, routing |
//! | `jobs` | the background jobs |
//! | [`server`] | the composition: makes these parts and connects them |
//! | `command` | the command line |
//! | [`process`] | the start and the end of the process |

#![deny(missing_docs, unreachable_pub)]
#![expect(rustdoc::private_intra_doc_links, reason = "the pages are built with private items")]

pub mod accounts;
mod activity;
pub mod breaches;
pub mod budgets;
mod command;
pub mod config;
pub mod domain;
pub mod grpc;
pub mod hashing;
mod import;
mod jobs;
mod keys;
pub mod mail;
mod meter;
mod probe;
pub mod process;
pub mod rest;
pub mod server;
pub mod store;
mod telemetry;
mod transport;

pub use countersign_proto as pb;
