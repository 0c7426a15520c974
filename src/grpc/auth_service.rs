//! `countersign.v1.AuthService`: each RPC parses, calls one use case, and converts.

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::convert;
use super::status::{self, Failure};
use crate::accounts::{Accounts, profile};
use crate::layer::Caller;
use crate::pb;
use crate::pb::auth_service_server::AuthService;
use crate::token::IssuedToken;

pub(super) struct Auth {
    accounts: Accounts,
}

impl Auth {
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[tonic::async_trait]
impl AuthService for Auth {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        self.accounts.require_open_registration().map_err(Failure)?;
        let call = convert::call(&request);
        let policy = self.accounts.policy();
        let (registration, password) = convert::registration(request.into_inner(), policy).map_err(Failure)?;
        let (account, token) = self.accounts.register(registration, password, call).await.map_err(Failure)?;
        Ok(Response::new(pb::RegisterResponse {
            account: Some(convert::account(&account)),
            expires_in: token.as_ref().map_or(0, expires_in),
            token: token.map(|issued| issued.token.into_string()).unwrap_or_default(),
        }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let call = convert::call(&request);
        let (handle, password) = convert::login(request.into_inner()).map_err(Failure)?;
        let (account, token) = self.accounts.login(&handle, &password, call).await.map_err(Failure)?;
        Ok(Response::new(pb::LoginResponse {
            expires_in: expires_in(&token),
            token: token.token.into_string(),
            account: Some(convert::account(&account)),
        }))
    }

    async fn me(&self, request: Request<pb::MeRequest>) -> Result<Response<pb::MeResponse>, Status> {
        let claims = caller(&request)?.claims();
        let account = self.accounts.who_is(claims.sub, claims.epoch).await.map_err(Failure)?;
        let shown = profile(&account.identity);
        let mut response = Response::new(pb::MeResponse { account: Some(convert::account(&account)) });
        // The layer mints the fresh token with this: it shows the same as the answer.
        response.extensions_mut().insert(shown);
        Ok(response)
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let claims = caller(&request)?.claims();
        let lifetime = Duration::from_secs(claims.exp.saturating_sub(claims.iat).try_into().unwrap_or(0));
        self.accounts.logout(claims.sid, lifetime).await.map_err(Failure)?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn verify_email(
        &self,
        _: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn resend_verification(
        &self,
        _: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn change_email(
        &self,
        _: Request<pb::ChangeEmailRequest>,
    ) -> Result<Response<pb::ChangeEmailResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn change_password(
        &self,
        _: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn request_password_reset(
        &self,
        _: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn reset_password(
        &self,
        _: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn accept_invitation(
        &self,
        _: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}

/// Who calls. Only a method that was made public by mistake has none.
pub(super) fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    request.extensions().get().ok_or_else(|| status::internal("a guarded method was called without a caller".into()))
}

fn expires_in(issued: &IssuedToken) -> i32 {
    issued.expires_in.as_secs().try_into().unwrap_or(i32::MAX)
}
