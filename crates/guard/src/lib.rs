//! Guards a tower service with the tokens of Countersign. With the features `jwks` and `watch`, which its examples
//! need, this page is the README of the package.
//!

#![deny(unreachable_pub)]
#![cfg_attr(all(feature = "jwks", feature = "watch"), doc = include_str!("../README.md"))]

pub mod clock;
#[cfg(feature = "jwks")]
pub mod jwks;
pub mod layer;
pub mod revocations;
pub mod token;
#[cfg(feature = "watch")]
pub mod watch;
