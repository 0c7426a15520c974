//! The use cases of the service. This is the only module in which store, hashing, tokens and revocations meet.
//!
//! | file | use cases |
//! |---|---|
//! | `register` | creating an account of one's own |
//! | `login` | signing in, from the first check to the last refusal |
//! | `second_factor/` | finishing a sign-in with a code |
//! | `logout` | ending one's own session |
//! | `sessions` | listing and ending sessions |
//! | `credentials/` | one's own password, email address and second factors; accepting an invitation |
//! | `administration/` | what administrators read and change |
//! | `operator`, `problems` | what the command line reads and changes |
//! | `import` | taking accounts in and giving them out |
//! | `watch` | telling other services which sessions have ended |
//! | `introspection` | telling other services about single tokens, and ending sessions for them |
//!
//! The others are shared by these: `core` is the type [`Accounts`] and its parts, `actor` the caller, `guessing` admits
//! password guesses and counts them, `devices` recognises the devices of an account, `passwords` checks new passwords,
//! `account_cache` answers authenticated calls from memory, `page_tokens` seals positions in listings, `audit` is the
//! queue of the audit trail, `notices` queues mails about changes, `tasks` keeps a change of state running when its
//! caller disconnects, `new_rows` makes ids and times, `errors` translates failures.

mod account_cache;
mod actor;
mod administration;
mod audit;
mod core;
mod credentials;
mod devices;
mod errors;
mod guessing;
mod import;
mod introspection;
mod login;
mod logout;
mod new_rows;
mod notices;

mod operator;
mod page_tokens;
mod passwords;
mod problems;
mod register;
mod second_factor;
mod sessions;
mod tasks;
mod watch;

pub(crate) use self::core::{AccountRules, AccountsParts};
pub(crate) use self::core::{Accounts, profile};
pub use crate::keys::{Rotation, RotationError};
pub(crate) use account_cache::AccountCache;
pub(crate) use actor::Actor;
pub(crate) use administration::{AccountQuestion, AttemptState, AuditQuestion, Creation, Invited, SpentAttempts};
pub(crate) use audit::Audit;
pub(crate) use credentials::{NewTotp, OwnFactors};
pub(crate) use devices::DeviceEvidence;
pub(crate) use errors::full_queue;
pub(crate) use import::Import;
pub(crate) use introspection::{ActiveToken, Unanswered};
pub(crate) use login::LoginOutcome;
pub use operator::Operator;
pub(crate) use passwords::PasswordRules;
pub(crate) use problems::{AccountProblem, Mend, log_misnamed};
pub(crate) use register::Registration;
pub(crate) use second_factor::{FactorMethod, SecondFactorRequest, TypedProof};
pub(crate) use sessions::SessionEnd;
pub(crate) use watch::Revoked;
pub(crate) use watch::WatchEnd;
