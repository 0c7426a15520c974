//! The shared SQL of the table `invitations`.

/// The beginning of every query for invitations; each row is an `InvitationRow`.
macro_rules! select_invitation {
    () => {
        "select invitations.id, firm_id, firms.name as firm_name, invitations.email, role, invited_by, \
         invitations.created_at, invitations.expires_at from invitations join firms on firms.id = firm_id"
    };
}
pub(in crate::store) use select_invitation;

/// Finds an invitation that can be accepted at `$2`. PostgreSQL adds a lock before it revokes one.
macro_rules! find_invitation {
    () => {
        concat!(
            $crate::store::statements::invitations::select_invitation!(),
            " where invitations.id = $1 and invitations.expires_at > $2"
        )
    };
}
pub(in crate::store) use find_invitation;

/// Finds an invitation that can be accepted at `$2`.
pub(crate) const FIND: &str = find_invitation!();

/// Finds the invitation of a ticket, if both are good at `$2`.
pub(crate) const FIND_BY_TICKET: &str = concat!(
    select_invitation!(),
    " join tickets on invitation_id = invitations.id
     where digest = $1 and tickets.expires_at > $2 and invitations.expires_at > $2"
);

/// Lists the invitations of the firm `$1` that can be accepted at `$4`, the newest first, after the invitation of time
/// `$2` and id `$3`.
pub(crate) const LIST: &str = concat!(
    select_invitation!(),
    " where firm_id = $1 and (invitations.created_at, invitations.id) < ($2, $3) and invitations.expires_at > $4
     order by invitations.created_at desc, invitations.id desc limit $5"
);

/// Deletes an invitation; its tickets go with it.
pub(crate) const DELETE: &str = "delete from invitations where id = $1";

/// Deletes the invitation that a new one of the same firm and address replaces.
pub(crate) const DELETE_REPLACED: &str = "delete from invitations where firm_id = $1 and email = $2 returning id";

/// Accepts an invitation, if it is what the caller was offered and can be accepted at `$5`.
pub(crate) const ACCEPT: &str =
    "delete from invitations where id = $1 and firm_id = $2 and email = $3 and role = $4 and expires_at > $5";
