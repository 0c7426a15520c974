//! The worlds of keys that are explored, and the faults that may be planted in one.

use super::{NO_EXCHANGE, REVOKED_KEY_IS_DEAD, ROTATION_REFUSES_NOBODY, Tick};
use crate::explore;

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub name: &'static str,
    pub replicas: usize,
    /// The most keys that are ever made.
    pub keys: usize,
    /// The time that a key is published before it signs, unless somebody wants it at once.
    pub ahead: Tick,
    pub token_lifetime: Tick,
    /// The age at which a replica accepts no token.
    pub staleness: Tick,
    pub last_tick: Tick,
    /// The rotations for which nobody waits until the next key is known everywhere.
    pub hasty: u8,
    pub revocations: u8,
    /// Whether there is a service that only reads the published keys now and then.
    pub polls: bool,
    pub fault: Option<Fault>,
}

/// A deviation from the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    FormerKeysAreDeletedAtOnce,
    UnknownKeysAreNotLookedUp,
    MarksBeforeTheKeysAreRead,
    MarksTheEndOfTheReading,
    ForgetsStaleness,
    WithdrawalsAreNotAsked,
    WithdrawalsAreAskedBeforeTheMint,
    AVerificationOutlivesTheWithdrawal,
    TheNextKeyIsPromotedAtOnce,
}

impl explore::World for World {
    fn name(&self) -> &'static str {
        self.name
    }
}

const ROTATION: World = World {
    name: "keys rotate, and somebody polls them",
    replicas: 1,
    keys: 3,
    ahead: 2,
    token_lifetime: 1,
    staleness: 1,
    last_tick: 4,
    hasty: 0,
    revocations: 0,
    polls: true,
    fault: None,
};

const HASTE: World = World {
    name: "keys rotate in haste, on two replicas",
    replicas: 2,
    keys: 3,
    last_tick: 2,
    hasty: 1,
    polls: false,
    ..ROTATION
};

const THEFT: World = World {
    name: "a key is revoked, and keys rotate",
    keys: 3,
    hasty: 1,
    revocations: 1,
    token_lifetime: 2,
    last_tick: 3,
    polls: false,
    ..ROTATION
};

/// The worlds of a run. The long ones have more of everything.
pub fn worlds(long: bool) -> Vec<World> {
    let mut worlds = vec![ROTATION, HASTE, THEFT];
    if long {
        let name = "keys rotate, and somebody polls them for longer";
        worlds.push(World { name, keys: 4, last_tick: 5, ..ROTATION });
    }
    worlds
}

/// Every fault, planted in a world in which it shows, and the promise that it breaks.
pub fn faults() -> impl Iterator<Item = (String, World, &'static str)> {
    FAULTS
        .into_iter()
        .map(|(fault, world, promise)| (format!("{fault:?}"), World { fault: Some(fault), ..world }, promise))
}

const FAULTS: [(Fault, World, &str); 9] = [
    (Fault::TheNextKeyIsPromotedAtOnce, ROTATION, ROTATION_REFUSES_NOBODY),
    (Fault::FormerKeysAreDeletedAtOnce, ROTATION, ROTATION_REFUSES_NOBODY),
    (Fault::UnknownKeysAreNotLookedUp, HASTE, ROTATION_REFUSES_NOBODY),
    (Fault::MarksBeforeTheKeysAreRead, THEFT, REVOKED_KEY_IS_DEAD),
    (Fault::MarksTheEndOfTheReading, THEFT, REVOKED_KEY_IS_DEAD),
    (Fault::ForgetsStaleness, THEFT, REVOKED_KEY_IS_DEAD),
    (Fault::AVerificationOutlivesTheWithdrawal, THEFT, REVOKED_KEY_IS_DEAD),
    (Fault::WithdrawalsAreNotAsked, THEFT, NO_EXCHANGE),
    (Fault::WithdrawalsAreAskedBeforeTheMint, THEFT, NO_EXCHANGE),
];
