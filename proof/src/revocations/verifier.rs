//! A verifier asks a set about the session of a token: first whether the set is fresh, then whether the session is in
//! it. Anything may happen between the two questions.

use super::{End, Fault, LIVE_IS_ACCEPTED, REFUSED_IN_TIME, State, World, database::since};

/// A check that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Check {
    /// The number of the set: first the replicas, then the watchers.
    verifier: usize,
    session: usize,
    /// Whether the promise forbids that the session is accepted.
    must_refuse: bool,
    /// The answer to the first question.
    first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A verifier begins to check a session.
    Begin(usize, usize),
    /// It asks the second question, and decides.
    Decide,
}

impl World {
    pub(super) fn verifier_steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        match state.check {
            Some(_) => steps.push(Step::Decide),
            None if self.checks => {
                let sessions = 0..state.sessions.len();
                let verifiers = 0..self.replicas + self.watchers;
                steps.extend(verifiers.flat_map(|verifier| sessions.clone().map(move |id| Step::Begin(verifier, id))));
            }
            None => {}
        }
        steps
    }

    pub(super) fn take_verifier_step(&self, state: &mut State, step: Step) {
        match (step, state.check) {
            (Step::Begin(verifier, session), _) => {
                let must_refuse = match state.sessions[session].end {
                    End::Acknowledged { at, by } => by == Some(verifier) || since(state.now, at) >= self.staleness,
                    _ => false,
                };
                let first = if self.fault == Some(Fault::AsksTheSetFirst) {
                    self.is_ended(state, verifier, session)
                } else {
                    self.is_fresh(state, verifier)
                };
                state.check = Some(Check { verifier, session, must_refuse, first });
            }
            (Step::Decide, Some(Check { verifier, session, must_refuse, first })) => {
                state.check = None;
                let (is_fresh, is_ended) = if self.fault == Some(Fault::AsksTheSetFirst) {
                    (self.is_fresh(state, verifier), first)
                } else {
                    (first, self.is_ended(state, verifier, session))
                };
                if is_ended {
                    if state.sessions[session].end == End::Never {
                        state.breaks(LIVE_IS_ACCEPTED);
                    }
                } else if is_fresh {
                    state.accepted = true;
                    if must_refuse {
                        state.breaks(REFUSED_IN_TIME);
                    }
                }
            }
            (Step::Decide, None) => {}
        }
    }

    fn is_fresh(&self, state: &State, verifier: usize) -> bool {
        let mark = state.sets().nth(verifier).and_then(|(_, mark)| mark);
        let is_fresh = |mark| since(state.now, mark) < self.staleness || self.fault == Some(Fault::ForgetsStaleness);
        mark.is_some_and(is_fresh)
    }

    fn is_ended(&self, state: &State, verifier: usize, session: usize) -> bool {
        let epoch = state.sessions[session].epoch;
        state.sets().nth(verifier).is_some_and(|(set, _)| set.has(session, epoch, self.fault))
    }
}
