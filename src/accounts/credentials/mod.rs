//! The use cases of an account's owner: changing the password and the email address, verifying an address, resetting a
//! forgotten password, accepting an invitation, and second factors. `proof` is shared by them: it proves once
//! more, within a session, that the caller knows the password.

mod email;
mod factors;
mod invitation;
mod password;
mod proof;

pub(crate) use factors::{NewTotp, OwnFactors};
