//! The use cases of administrators. `reach` decides which accounts an administrator may see and change, by what the
//! store has at the moment of the call and never by a token. `changes` are the changes themselves, which the command
//! line makes as well. `accounts`, `factors`, `invitations`, `attempts` and `signing_keys` serve the RPCs that change
//! something, `listing` and `audit_trail` those that only read.

mod accounts;
mod attempts;
mod audit_trail;
mod changes;
mod factors;
mod invitations;
mod listing;
mod reach;
mod signing_keys;

pub(crate) use accounts::Creation;
pub(crate) use attempts::{AttemptState, SpentAttempts};
pub(crate) use audit_trail::AuditQuestion;
pub(super) use changes::{By, Changes};
pub(crate) use invitations::Invited;
pub(crate) use listing::AccountQuestion;
pub(super) use reach::Reach;
pub(super) use signing_keys::rotation_action;
