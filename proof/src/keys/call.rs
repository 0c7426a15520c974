//! A call with a token at a replica, from the check of its signature to the fresh token of its answer; and the check of
//! a service that only polls the published keys.

use super::worlds::Fault;
use super::{
    Key, NO_EXCHANGE, REVOKED_KEY_IS_DEAD, ROTATION_REFUSES_NOBODY, State, Token, World, accepts, is_revoked, number,
};

/// A call with a token that is under way at a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Call {
    replica: usize,
    token: Token,
    withdrawals: u8,
    /// Whether the promise forbids that the token is accepted.
    must_refuse: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// Its signature is good.
    Verified,
    /// The set was fresh, so it was accepted.
    Accepted,
    /// The fresh token for its answer is minted. `asked` is the withdrawals that were read for the last question.
    Minted { fresh: Token, asked: u8 },
}

impl World {
    pub(super) fn begin(&self, state: &mut State, replica: usize) {
        let Some(token) = state.token.filter(|token| state.now < token.expires) else { return };
        let must_refuse = matches!(state.keys[token.key], Key::Revoked { at } if state.now - at >= self.staleness);
        if !accepts(&state.replicas[replica].keys, token.key, state.now) {
            // It may be a key that this replica has not heard of.
            if token.key >= state.replicas[replica].keys.len() && self.fault != Some(Fault::UnknownKeysAreNotLookedUp) {
                let State { keys, replicas, .. } = state;
                replicas[replica].take_over(keys);
            }
            if !accepts(&state.replicas[replica].keys, token.key, state.now) {
                if !is_revoked(state.keys[token.key]) {
                    state.broken.record(number(ROTATION_REFUSES_NOBODY));
                }
                return;
            }
        }
        let withdrawals = state.replicas[replica].withdrawals;
        state.call = Some(Call { replica, token, withdrawals, must_refuse, stage: Stage::Verified });
    }

    pub(super) fn go_on(&self, state: &mut State) {
        let Some(mut call) = state.call.take() else { return };
        let replica = &state.replicas[call.replica];
        match call.stage {
            Stage::Verified => {
                // A key that was taken away after the signature was verified may be the token's.
                let is_certain = replica.withdrawals == call.withdrawals
                    || self.fault == Some(Fault::AVerificationOutlivesTheWithdrawal);
                if self.is_fresh(replica, state.now) && is_certain {
                    state.was_accepted = true;
                    if call.must_refuse {
                        state.broken.record(number(REVOKED_KEY_IS_DEAD));
                    }
                    call.stage = Stage::Accepted;
                    state.call = Some(call);
                }
            }
            Stage::Accepted => {
                let asked = replica.withdrawals;
                if let Some(fresh) = self.mint(state, call.replica) {
                    call.stage = Stage::Minted { fresh, asked };
                    state.call = Some(call);
                }
            }
            Stage::Minted { fresh, asked } => {
                let withdrawals = match self.fault {
                    Some(Fault::WithdrawalsAreNotAsked) => call.withdrawals,
                    Some(Fault::WithdrawalsAreAskedBeforeTheMint) => asked,
                    _ => replica.withdrawals,
                };
                if withdrawals == call.withdrawals {
                    state.was_refreshed = true;
                    let knows = replica.keys.get(call.token.key).is_some_and(|&key| is_revoked(key));
                    if knows && fresh.key != call.token.key {
                        state.broken.record(number(NO_EXCHANGE));
                    }
                    state.token = Some(fresh);
                }
            }
        }
    }

    /// A service that does not hear of revoked keys. It must know each key before a token of it comes.
    pub(super) fn poller_checks(&self, state: &mut State) {
        let Some(token) = state.token.filter(|token| state.now < token.expires) else { return };
        if accepts(&state.poller, token.key, state.now) {
            state.poller_accepted = true;
        } else if !is_revoked(state.keys[token.key]) {
            state.broken.record(number(ROTATION_REFUSES_NOBODY));
        }
    }
}
