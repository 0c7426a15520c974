//! Explores every world of the model, and every fault that may be planted in one. `FULL=1` explores larger worlds, too.

use countersign_proof::explore::{World, explore};
use countersign_proof::{keys, revocations};

/// Explores worlds, and prints what was explored. No promise may be broken in any state.
fn assert_promises_hold(worlds: impl IntoIterator<Item = impl World>) {
    for world in worlds {
        let name = world.name();
        let findings = explore(world, None);
        println!("{:>10} states, {:>5.1} s: {name}", findings.states, findings.took.as_secs_f64());
        for (promise, steps) in &findings.broken {
            println!("broken: {promise}\n{steps}");
        }
        assert!(findings.broken.is_empty(), "{name}: a promise is broken, see above");
        assert!(findings.missing.is_empty(), "{name}: {:?} never happened", findings.missing);
    }
}

/// Explores worlds with a fault each. The promise of each must be broken.
fn assert_faults_are_found<W: World>(faults: impl IntoIterator<Item = (String, W, &'static str)>) {
    for (fault, world, promise) in faults {
        let name = world.name();
        let findings = explore(world, Some(promise));
        println!("{:>10} states: {fault} breaks {promise:?}: {name}", findings.states);
        assert!(findings.broken.iter().any(|(broken, _)| *broken == promise), "{fault} breaks nothing");
    }
}

#[test]
fn every_promise_about_the_end_of_sessions_holds_in_every_world() {
    assert_promises_hold(revocations::worlds(is_long()));
}

#[test]
fn every_fault_in_the_end_of_sessions_breaks_its_promise() {
    assert_faults_are_found(revocations::faults());
}

#[test]
fn every_promise_about_keys_holds_in_every_world() {
    assert_promises_hold(keys::worlds(is_long()));
}

#[test]
fn every_fault_in_the_keys_breaks_its_promise() {
    assert_faults_are_found(keys::faults());
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn is_long() -> bool {
    std::env::var("FULL").is_ok_and(|value| value == "1")
}
