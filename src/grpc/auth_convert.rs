//! Requests of `AuthService` as values of the domain. Every function names all bad fields of its request at once.

use tonic::Request;

use super::convert;
use crate::accounts::{DeviceEvidence, Registration};
use crate::domain::{
    AuthError, Email, FirmName, NewPassword, Password, PasswordContext, PasswordPolicy, PersonName, SignInName, Ticket,
    Username, Violations,
};
use crate::pb;
use countersign_guard::layer::{self, Credential};

/// Parses a registration. A password that `policy` refuses is a bad field, too.
pub(super) fn registration(
    request: pb::RegisterRequest,
    policy: &PasswordPolicy,
) -> Result<(Registration, NewPassword), AuthError> {
    use pb::register_request::Handle as PbHandle;
    let mut bad = Violations::default();
    let parsed = match request.handle {
        Some(PbHandle::Username(username)) => {
            let username = bad.check("username", Username::parse(&username));
            let context = PasswordContext::of_username(username.as_ref());
            let password = bad.check("password", NewPassword::parse(request.password, policy, &context));
            for (field, value) in [("name", &request.name), ("firm_name", &request.firm_name)] {
                if !value.is_empty() {
                    bad.add(field, "must be empty: only an email account has one");
                }
            }
            username.map(Registration::Username).zip(password)
        }
        Some(PbHandle::Email(email)) => {
            let (name, firm_name) = (PersonName::parse(&request.name), FirmName::parse(&request.firm_name));
            let email = bad.check("email", Email::parse(&email));
            let context = PasswordContext::of_email(email.as_ref(), name.as_ref().ok(), firm_name.as_ref().ok());
            let password = bad.check("password", NewPassword::parse(request.password, policy, &context));
            let name = bad.check("name", name);
            let firm_name = bad.check("firm_name", firm_name);
            email.zip(name).zip(firm_name).zip(password).map(|(((email, name), firm_name), password)| {
                (Registration::Email { email, name, firm_name }, password)
            })
        }
        None => {
            bad.add("handle", convert::NO_HANDLE);
            let context = PasswordContext::of_username(None);
            bad.check("password", NewPassword::parse(request.password, policy, &context));
            None
        }
    };
    parsed.filter(|_| bad.is_empty()).ok_or(AuthError::Validation(bad))
}

pub(super) fn login(request: pb::LoginRequest) -> Result<(SignInName, Password), AuthError> {
    use pb::login_request::Handle as PbHandle;
    let mut bad = Violations::default();
    let name = match request.handle {
        Some(PbHandle::Username(username)) => bad.check("username", SignInName::username(&username)),
        Some(PbHandle::Email(email)) => bad.check("email", SignInName::email(&email)),
        None => bad.check("handle", Err(convert::NO_HANDLE)),
    };
    // Another system may have allowed shorter passwords than this service does.
    let password = bad.check("password", Password::parse(request.password, 1));
    name.zip(password).ok_or(AuthError::Validation(bad))
}

/// The proofs that a sign-in comes from a known device: the field `device` or the metadata of that name, and a token.
/// If several different tokens are sent, none is used.
pub(super) fn device_evidence(request: &Request<pb::LoginRequest>) -> DeviceEvidence {
    let in_metadata = || request.metadata().get("device").and_then(|value| value.to_str().ok());
    let device = match request.get_ref().device.as_str() {
        "" => in_metadata().unwrap_or_default(),
        device => device,
    };
    let token = match layer::read_credential(request.metadata().as_ref()) {
        Credential::Presented(token) => Some(token.to_owned()),
        Credential::NotPresented | Credential::Malformed | Credential::Contradictory => None,
    };
    DeviceEvidence { device: device.to_owned(), token }
}

/// Parses a new password. The use case applies the password policy, because it knows the account.
fn new_password(bad: &mut Violations, field: &'static str, text: String) -> Option<Password> {
    bad.check(field, Password::parse(text, 1))
}

/// Parses the email address of an account, in a request that has no other field.
pub(super) fn email(field: &'static str, text: &str) -> Result<Email, AuthError> {
    let mut bad = Violations::default();
    bad.check(field, Email::typed(text)).ok_or(AuthError::Validation(bad))
}

/// Parses the one-time token of a request that has no other field.
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
