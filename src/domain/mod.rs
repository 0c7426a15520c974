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
mod recovery_code;
mod text;
mod ticket;
mod token_key;
mod totp;
mod username;

pub use account::{Account, AccountStatus, Firm, Identity, NewAccount, Role, Session};
pub use attempt::{AttemptKey, Attempts};
pub use audit::{Action, AuditEvent, Detail, Note, Origin};
pub use call::Call;
pub(crate) use client::subscriber;
pub use client::{Client, network};
pub(crate) use device::{Device, DeviceNumber};
pub use display_name::{FirmName, PersonName};
pub use email::Email;
pub(crate) use error::{AuthError, Violations, with_cause};
pub(crate) use handle::SignInName;
pub use handle::{Handle, NameKind};
pub use mail::{MailKind, NewMail};
pub use password::{NewPassword, Password};
pub use password_hash::PasswordHash;
pub(crate) use password_hash::PasswordHashError;
pub(crate) use policy::LowerThanPreset;
pub use policy::{PasswordContext, PasswordPolicy, PolicyPreset};
pub use portable::PortableAccount;
pub(crate) use portable::{DraftError, DraftProblem, ImportTerms, PortableDraft, derived_id};
pub use records::{AccountChange, AccountRecord, Authority, DeadMail, Imported, Invitation, Outline, StoredSession};
pub(crate) use records::{FirmRecord, UnreadableRow, Updated};
pub use recovery_code::RecoveryDigest;
pub(crate) use recovery_code::{RECOVERY_CODE_BYTES, RECOVERY_CODES, RecoveryCode};
pub(crate) use ticket::TicketDigest;
pub use ticket::{Ticket, TicketPurpose};
pub use token_key::{KeyId, KeyState, StoredKey};
pub(crate) use totp::{SECRET_BYTES, TotpCode, TotpSecret};
pub use username::Username;
