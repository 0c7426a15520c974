//! The parts of accounts: names, passwords, identities, and the failures of use cases. The module is pure: no async
//! code, no I/O, no protocol. Text from outside is parsed into one of these types once, where it enters, and stays that
//! type.

mod account;
mod attempt;
mod audit;
mod call;
mod client;
mod device;
mod display_name;
mod email;
mod error;
mod handle;
mod lookalike;
mod mail;
mod password;
pub mod password_hash;
mod policy;
mod portable;
mod records;
mod text;
mod ticket;
mod username;

pub use account::{Account, AccountStatus, Firm, Identity, NewAccount, Role, Session};
pub use attempt::{AttemptKey, Attempts};
pub use audit::{Action, AuditEvent, Detail, Note, Origin};
pub use call::Call;
pub use client::{Client, network, subscriber};
pub use device::{Device, DeviceNumber};
pub use display_name::{FirmName, PersonName};
pub use email::Email;
pub use error::{AuthError, Violation, Violations, with_cause};
pub use handle::{Handle, SignInName};
pub use mail::{MailKind, NewMail};
pub use password::{NewPassword, Password};
pub use password_hash::{PasswordHash, PasswordHashError};
pub use policy::{LowerThanPreset, PasswordContext, PasswordPolicy, PolicyPreset};
pub use portable::{DraftError, DraftProblem, PortableAccount, PortableDraft, derived_id};
pub use records::{
    AccountChange, AccountRecord, DeadMail, FirmRecord, Imported, Invitation, Outline, StoredSession, UnreadableRow,
    Updated,
};
pub use ticket::{Ticket, TicketDigest, TicketPurpose};
pub use username::Username;
