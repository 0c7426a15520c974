//! The use cases of administrators. `reach` decides which accounts an administrator may see and change, by what the
//! store has at the moment of the call and never by a token. `changes` are the changes themselves, which the command
//! line makes as well. `accounts`, `invitations` and `attempts` serve the RPCs that change something, `listing` and
//! `audit_trail` those that only read.

mod accounts;
mod attempts;
mod audit_trail;
mod changes;
mod invitations;
mod listing;
mod reach;

pub use accounts::Creation;
pub use attempts::{AttemptState, SpentAttempts};
pub use audit_trail::{AuditList, AuditQuestion};
pub(super) use changes::{By, Changes};
pub use invitations::{InvitationList, Invited};
pub use listing::{AccountList, AccountQuestion, FirmList};
pub(super) use reach::Reach;
