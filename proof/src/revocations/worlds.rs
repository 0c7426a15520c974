//! The worlds that are explored, and the faults that may be planted in one.

use super::{CLAIM_IS_TRUE, LIVE_IS_ACCEPTED, MARK_IS_TRUE, REFUSED_IN_TIME, Tick};

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub name: &'static str,
    pub replicas: usize,
    pub watchers: usize,
    /// The sessions of the account at the beginning.
    pub sessions: usize,
    /// Whether another sign-in happens at some moment.
    pub signs_in: bool,
    /// Whether tokens are checked.
    pub checks: bool,
    /// The age at which a set is stale.
    pub staleness: Tick,
    pub last_tick: Tick,
    /// The batches that the ring of a stream has room for.
    pub ring: usize,
    pub troubles: Troubles,
    pub fault: Option<Fault>,
}

impl crate::explore::World for World {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// How often each event happens at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Troubles {
    pub ends: u8,
    pub raises: u8,
    pub failovers: u8,
    pub restores: u8,
    pub cuts: u8,
}

/// A deviation from the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    CommitsInAnyOrder,
    AnswersBeforeTheCommit,
    AnswersWithoutTheOwnSet,
    MarksTheEndOfTheReading,
    MarksBeforeInserting,
    PublishesBeforeInserting,
    ReadsOnAfterALoss,
    SkipsTheNumbersThatWereGivenOut,
    StreamsGoOnAfterALoss,
    StreamsGoOnAfterALap,
    SubscribesAfterTheBacklog,
    CursorsAreNumbers,
    TheCursorComesBeforeTheBacklog,
    BatchesAreCountedFirst,
    HeartbeatsOvertakeBatches,
    HeartbeatsOutliveTheRing,
    TheServiceCountsFromTheAnswer,
    ClaimsAreTakenForNow,
    AsksTheSetFirst,
    ForgetsStaleness,
    EpochsAreNotCompared,
    TheEpochOfASignInCountsAsOver,
}

const SMALL: World = World {
    name: "",
    replicas: 1,
    watchers: 0,
    sessions: 1,
    signs_in: false,
    checks: true,
    staleness: 1,
    last_tick: 2,
    ring: 1,
    troubles: Troubles { ends: 1, raises: 0, failovers: 0, restores: 0, cuts: 0 },
    fault: None,
};

const REPLICAS: World = World { name: "two replicas", replicas: 2, ..SMALL };

const COMMITS: World = World {
    name: "two ends in a race",
    sessions: 2,
    troubles: Troubles { ends: 2, failovers: 1, ..SMALL.troubles },
    ..SMALL
};

const EPOCHS: World = World {
    name: "all sessions of an account end, and somebody signs in",
    signs_in: true,
    troubles: Troubles { ends: 0, raises: 1, ..SMALL.troubles },
    ..SMALL
};

const WATCHER: World = World {
    name: "a watcher and a failover",
    watchers: 1,
    checks: false,
    last_tick: 1,
    troubles: Troubles { failovers: 1, cuts: 1, ..SMALL.troubles },
    ..SMALL
};

const WATCHER_CHECKS: World = World { name: "a watcher that checks tokens", watchers: 1, ..SMALL };

const RING: World = World {
    name: "a watcher that is slow",
    watchers: 1,
    checks: false,
    sessions: 2,
    last_tick: 1,
    troubles: Troubles { ends: 2, ..SMALL.troubles },
    ..SMALL
};

const BACKUP: World = World {
    name: "a watcher and a backup that is restored",
    watchers: 1,
    checks: false,
    sessions: 2,
    last_tick: 1,
    troubles: Troubles { ends: 2, restores: 1, ..SMALL.troubles },
    ..SMALL
};

/// The worlds of a run. The long ones have more of everything.
pub fn worlds(long: bool) -> Vec<World> {
    let mut worlds = vec![REPLICAS, COMMITS, EPOCHS, WATCHER, WATCHER_CHECKS, RING, BACKUP];
    if long {
        worlds.extend([
            World {
                name: "two replicas and a failover, for longer",
                staleness: 2,
                last_tick: 3,
                troubles: Troubles { failovers: 1, ..SMALL.troubles },
                ..REPLICAS
            },
            World { name: "a watcher and a failover, for longer", last_tick: 2, ..WATCHER },
            World { name: "two ends in a race and a failover, for longer", staleness: 2, last_tick: 3, ..COMMITS },
        ]);
    }
    worlds
}

/// Every fault, planted in a world in which it shows, and the promise that it breaks.
pub fn faults() -> impl Iterator<Item = (String, World, &'static str)> {
    FAULTS
        .into_iter()
        .map(|(fault, world, promise)| (format!("{fault:?}"), World { fault: Some(fault), ..world }, promise))
}

const FAULTS: [(Fault, World, &str); 22] = [
    (Fault::CommitsInAnyOrder, COMMITS, MARK_IS_TRUE),
    (Fault::AnswersBeforeTheCommit, COMMITS, MARK_IS_TRUE),
    (Fault::AnswersWithoutTheOwnSet, COMMITS, REFUSED_IN_TIME),
    (Fault::MarksTheEndOfTheReading, COMMITS, MARK_IS_TRUE),
    (Fault::MarksBeforeInserting, REPLICAS, MARK_IS_TRUE),
    (Fault::PublishesBeforeInserting, RING, CLAIM_IS_TRUE),
    (Fault::ReadsOnAfterALoss, BACKUP, MARK_IS_TRUE),
    (Fault::SkipsTheNumbersThatWereGivenOut, COMMITS, MARK_IS_TRUE),
    (Fault::StreamsGoOnAfterALoss, WATCHER, CLAIM_IS_TRUE),
    (Fault::StreamsGoOnAfterALap, RING, CLAIM_IS_TRUE),
    (Fault::SubscribesAfterTheBacklog, RING, CLAIM_IS_TRUE),
    (Fault::CursorsAreNumbers, BACKUP, CLAIM_IS_TRUE),
    (Fault::TheCursorComesBeforeTheBacklog, WATCHER, CLAIM_IS_TRUE),
    (Fault::BatchesAreCountedFirst, RING, CLAIM_IS_TRUE),
    (Fault::HeartbeatsOvertakeBatches, RING, CLAIM_IS_TRUE),
    (Fault::HeartbeatsOutliveTheRing, WATCHER, CLAIM_IS_TRUE),
    (Fault::TheServiceCountsFromTheAnswer, WATCHER, CLAIM_IS_TRUE),
    (Fault::ClaimsAreTakenForNow, WATCHER, CLAIM_IS_TRUE),
    (Fault::AsksTheSetFirst, REPLICAS, REFUSED_IN_TIME),
    (Fault::ForgetsStaleness, REPLICAS, REFUSED_IN_TIME),
    (Fault::EpochsAreNotCompared, EPOCHS, REFUSED_IN_TIME),
    (Fault::TheEpochOfASignInCountsAsOver, EPOCHS, LIVE_IS_ACCEPTED),
];
