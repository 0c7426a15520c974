//! A model of Countersign's session protocol. It is the specification of one sentence: a logout takes effect
//! everywhere, at once where it was asked for and within a stated bound elsewhere.

pub mod explore;
pub mod keys;
pub mod revocations;
