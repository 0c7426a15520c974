//! The messages of `AuthService` that are about an account's own credentials, parsed: every bad field is named at once. Apart
//! from `convert` for length.

use crate::domain::{AuthError, Email, Password, PersonName, Ticket, Violations};
use crate::pb;

/// What a new password must be besides, the use case judges, which knows whose it is.
fn new_password(bad: &mut Violations, field: &'static str, text: String) -> Option<Password> {
    bad.check(field, Password::parse(text, 1))
}

/// The one address of a request.
pub(super) fn email(field: &'static str, text: &str) -> Result<Email, AuthError> {
    let mut bad = Violations::default();
    bad.check(field, Email::parse(text)).ok_or(AuthError::Validation(bad))
}

/// The one ticket of a request.
pub(super) fn ticket(text: String) -> Result<Ticket, AuthError> {
    let mut bad = Violations::default();
    bad.check("one_time_token", Ticket::parse(text)).ok_or(AuthError::Validation(bad))
}

pub(super) fn change_email(request: pb::ChangeEmailRequest) -> Result<(Email, Password), AuthError> {
    let mut bad = Violations::default();
    let email = bad.check("new_email", Email::parse(&request.new_email));
    let password = bad.check("password", Password::parse(request.password, 1));
    email.zip(password).ok_or(AuthError::Validation(bad))
}

pub(super) fn change_password(request: pb::ChangePasswordRequest) -> Result<(Password, Password), AuthError> {
    let mut bad = Violations::default();
    let current = bad.check("current_password", Password::parse(request.current_password, 1));
    let new = new_password(&mut bad, "new_password", request.new_password);
    current.zip(new).ok_or(AuthError::Validation(bad))
}

pub(super) fn reset_password(request: pb::ResetPasswordRequest) -> Result<(Ticket, Password), AuthError> {
    let mut bad = Violations::default();
    let ticket = bad.check("one_time_token", Ticket::parse(request.one_time_token));
    let new = new_password(&mut bad, "new_password", request.new_password);
    ticket.zip(new).ok_or(AuthError::Validation(bad))
}

pub(super) fn accept_invitation(
    request: pb::AcceptInvitationRequest,
) -> Result<((Ticket, PersonName), Password), AuthError> {
    let mut bad = Violations::default();
    let ticket = bad.check("one_time_token", Ticket::parse(request.one_time_token));
    let name = bad.check("name", PersonName::parse(&request.name));
    let password = new_password(&mut bad, "password", request.password);
    ticket.zip(name).zip(password).ok_or(AuthError::Validation(bad))
}
