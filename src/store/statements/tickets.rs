//! The shared SQL of the table `tickets`: one-time tokens of links in mail, by their digests.

/// Finds a ticket that is good at `$2`. The links that verify an address or reset a password are good only while the
/// account has the address that they were sent to.
pub(crate) const FIND: &str = "select purpose, account_id, invitation_id, tickets.email, expires_at
     from tickets left join accounts on accounts.id = account_id
     where digest = $1 and expires_at > $2
         and (purpose in ('change_email', 'invitation') or tickets.email = accounts.email)";

/// Uses a ticket of an account. Of several requests at once, the one that deletes the row has used it.
pub(crate) const SPEND: &str =
    "delete from tickets where digest = $1 and purpose = $2 and expires_at > $3 and account_id is not null
     returning account_id, email";

/// Uses the ticket of an invitation.
pub(crate) const SPEND_INVITATION: &str =
    "delete from tickets where digest = $1 and purpose = 'invitation' and expires_at > $2 returning invitation_id";

/// Finds the account of a reset link, used or not yet.
pub(crate) const FIND_RESET_OWNER: &str =
    "select account_id, email from tickets where digest = $1 and purpose = 'reset_password'";

/// Voids the other links that would verify the address of an account.
pub(crate) const DELETE_VERIFICATIONS: &str = "delete from tickets where account_id = $1 and purpose = 'verify_email'";

/// Voids the links that could change the password or the address of an account.
pub(crate) const DELETE_CHANGES: &str = "delete from tickets where account_id = $1 and purpose <> 'verify_email'";
