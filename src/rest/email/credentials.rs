//! Verifying and changing the address and the password of an account. The contract only hints at these routes ("please
//! check your email to verify"); they are in its manner. The pages of `rest::pages`, where links in mail lead, call
//! them.

use axum::extract::Request;
use http::{Method, StatusCode};
use tonic::Code;

use super::{done, error, refuse_body};
use crate::pb::{
    ChangeEmailRequest, ChangePasswordRequest, RequestPasswordResetRequest, ResendVerificationRequest,
    ResetPasswordRequest, VerifyEmailRequest,
};
use crate::rest::body;
use crate::rest::call::{self, RouteResult, Rpc, RpcFailure};
use crate::rest::routes::{Route, Routes};

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc)
        .on(Method::POST, "/auth/verify", verify)
        .on(Method::POST, "/auth/verify/resend", resend)
        .on(Method::POST, "/auth/password/forgot", forgot)
        .on(Method::POST, "/auth/password/reset", reset)
        .on(Method::POST, "/auth/password/change", change_password)
        .on(Method::POST, "/auth/email/change", change_email)
        .into_vec()
}

async fn verify(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = VerifyEmailRequest { one_time_token: fields.text_of("one_time_token", "token") };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    Ok(done(answered, "Email verified successfully.", &fields))
}

async fn resend(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = ResendVerificationRequest { email: fields.text("email") };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    Ok(done(answered, "If this email is still to be verified, a link is on its way to it.", &fields))
}

async fn forgot(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = RequestPasswordResetRequest { email: fields.text("email") };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    Ok(done(answered, "If this email is registered, a link to set a new password is on its way to it.", &fields))
}

async fn reset(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = ResetPasswordRequest {
        one_time_token: fields.text_of("one_time_token", "token"),
        new_password: fields.text_of("new_password", "password"),
    };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    Ok(done(answered, "Password set successfully. Please log in with it.", &fields))
}

async fn change_password(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = ChangePasswordRequest {
        current_password: fields.text("current_password"),
        new_password: fields.text("new_password"),
    };
    let answered = rpc.unary(call::with_credentials(parts, message)).await;
    Ok(done(answered, "Password changed successfully. All other sessions have ended.", &fields))
}

async fn change_email(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message =
        ChangeEmailRequest { new_email: fields.text_of("new_email", "email"), password: fields.text("password") };
    match rpc.unary(call::with_credentials(parts, message)).await {
        // Elsewhere this code means that only an administrator may call; here, that the account has no email.
        Err(status) if status.code() == Code::PermissionDenied => {
            let text = "this account has no email: it signs in with a username";
            Err(RpcFailure::from(status).headers(error(StatusCode::FORBIDDEN, "insufficient_permissions", text)))
        }
        answered => Ok(done(answered, "Please check the new email: it counts once its link was used.", &fields)),
    }
}
