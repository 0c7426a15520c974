//! What becomes of an account's address and password: verified, forgotten, changed. Routes that the contract only hints at
//! ("please check your email to verify"), in its manner. The links that are mailed lead to `rest::pages`, which call these.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use tonic::Code;

use super::{done, error, refuse_unreadable};
use crate::pb::{
    ChangeEmailRequest, ChangePasswordRequest, RequestPasswordResetRequest, ResendVerificationRequest,
    ResetPasswordRequest, VerifyEmailRequest,
};
use crate::rest::body;
use crate::rest::call::{self, Client, Failure};

/// `POST /auth/verify`, `/auth/verify/resend`, `/auth/password/forgot`, `/auth/password/reset`, `/auth/password/change` and
/// `/auth/email/change`.
pub(super) fn routes(client: Client) -> Router {
    Router::new()
        .route("/auth/verify", post(verify))
        .route("/auth/verify/resend", post(resend))
        .route("/auth/password/forgot", post(forgot))
        .route("/auth/password/reset", post(reset))
        .route("/auth/password/change", post(change_password))
        .route("/auth/email/change", post(change_email))
        .with_state(client)
}

async fn verify(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = VerifyEmailRequest { one_time_token: fields.text_of("one_time_token", "token") };
    let answered = client.verify_email(call::on_behalf(parts, message)).await;
    done(answered, "Email verified successfully.", &fields)
}

async fn resend(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = ResendVerificationRequest { email: fields.text("email") };
    let answered = client.resend_verification(call::on_behalf(parts, message)).await;
    done(answered, "If this email is still to be verified, a link is on its way to it.", &fields)
}

async fn forgot(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = RequestPasswordResetRequest { email: fields.text("email") };
    let answered = client.request_password_reset(call::on_behalf(parts, message)).await;
    done(answered, "If this email is registered, a link to set a new password is on its way to it.", &fields)
}

async fn reset(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = ResetPasswordRequest {
        one_time_token: fields.text_of("one_time_token", "token"),
        new_password: fields.text_of("new_password", "password"),
    };
    let answered = client.reset_password(call::on_behalf(parts, message)).await;
    done(answered, "Password set successfully. Please log in with it.", &fields)
}

async fn change_password(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = ChangePasswordRequest {
        current_password: fields.text("current_password"),
        new_password: fields.text("new_password"),
    };
    let answered = client.change_password(call::with_credentials(parts, message)).await;
    done(answered, "Password changed successfully. All other sessions have ended.", &fields)
}

async fn change_email(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message =
        ChangeEmailRequest { new_email: fields.text_of("new_email", "email"), password: fields.text("password") };
    match client.change_email(call::with_credentials(parts, message)).await {
        // It is no administrator that is asked for here.
        Err(status) if status.code() == Code::PermissionDenied => {
            let text = "this account has no email: it signs in with a username";
            Failure::from(status).headers(error(StatusCode::FORBIDDEN, "insufficient_permissions", text))
        }
        answered => done(answered, "Please check the new email: it counts once its link was used.", &fields),
    }
}
