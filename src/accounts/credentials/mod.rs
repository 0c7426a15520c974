//! The use cases of an account's owner: changing the password and the email address, verifying an address, resetting a
//! forgotten password, and accepting an invitation. `proof` is shared by them: it proves once more, within a session,
//! that the caller knows the password.

mod email;
mod invitation;
mod password;
mod proof;
