//! Guards a tower service with the tokens of Countersign. This page is the README of the package.
//!

#![deny(unreachable_pub)]
#![doc = include_str!("../README.md")]

pub mod clock;
pub mod layer;
pub mod revocations;
pub mod token;
#[cfg(feature = "watch")]
pub mod watch;
