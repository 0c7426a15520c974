//! Explores a model: every state that can be reached, whatever the order in which the processes take their steps.
//! Separate from the models because it knows nothing of them but their promises.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::{Duration, Instant};

use stateright::{Checker as _, Expectation, HasDiscoveries, Model, Property};

/// What an exploration has found.
#[derive(Debug)]
pub struct Findings {
    /// The number of different states.
    pub states: usize,
    /// The time that it took.
    pub took: Duration,
    /// The promises that are broken in some state, each with the shortest way there that was found.
    pub broken: Vec<(&'static str, String)>,
    /// The events that must be possible and never happened: with one of them missing, the model would prove nothing.
    pub missing: Vec<&'static str>,
}

/// The promises that were broken on the way to a state, by their place in the list of promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Broken(u16);

impl Broken {
    /// Records that a promise was broken.
    pub fn record(&mut self, promise: usize) {
        self.0 |= 1 << promise;
    }

    /// Tells whether this promise was kept.
    pub fn kept(self, promise: usize) -> bool {
        self.0 & (1 << promise) == 0
    }
}

/// A part of the protocol in a world of a certain size.
pub trait World:
    Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq> + Send + Sync + 'static
{
    fn name(&self) -> &'static str;
}

/// Explores all states of a world; with `until`, only until that promise is found broken.
pub fn explore(world: impl World, until: Option<&'static str>) -> Findings {
    let began = Instant::now();
    let events: Vec<_> = world.properties().iter().filter(|property| is_event(property)).map(|one| one.name).collect();
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    let checker = world.checker().threads(threads);
    let checker = match until {
        Some(promise) => checker.finish_when(HasDiscoveries::AnyOf([promise].into())),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let found = checker.discoveries();
    let broken = found.iter().filter(|(name, _)| !events.contains(name));
    let broken = broken.map(|(&name, path)| (name, format!("{:#?}", path.clone().into_actions()))).collect();
    let missing = events.into_iter().filter(|name| !found.contains_key(name)).collect();
    Findings { states: checker.unique_state_count(), took: began.elapsed(), broken, missing }
}

fn is_event<M: Model>(property: &Property<M>) -> bool {
    matches!(property.expectation, Expectation::Sometimes)
}
