//! `countersign.v1.AuthService`: each RPC parses, calls one use case, and converts.

use countersign_guard::layer::{Caller, FormerCaller};
use countersign_guard::token::IssuedToken;
use tonic::{Request, Response, Status};

use super::status::{self, Failure};
use super::{convert, credentials};
use crate::accounts::{Accounts, Actor, profile};
use crate::pb;
use crate::pb::auth_service_server::AuthService;

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
        let call = convert::call(&request);
        self.accounts.require_open_registration(&call).map_err(Failure)?;
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
        let evidence = convert::device_evidence(&request);
        let (name, password) = convert::login(request.into_inner()).map_err(Failure)?;
        let signed_in = self.accounts.login(&name, &password, &evidence, call).await.map_err(Failure)?;
        Ok(Response::new(pb::LoginResponse {
            expires_in: expires_in(&signed_in.token),
            token: signed_in.token.token.into_string(),
            account: Some(convert::account(&signed_in.account)),
            device: signed_in.device,
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
        let former: &FormerCaller = proof(&request)?;
        self.accounts.logout(former.claims(), convert::call(&request)).await.map_err(Failure)?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let call = convert::call(&request);
        let ticket = credentials::ticket(request.into_inner().one_time_token).map_err(Failure)?;
        let account = self.accounts.verify_email(&ticket, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::VerifyEmailResponse { account: Some(convert::account(&account)) }))
    }

    async fn resend_verification(
        &self,
        request: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        let call = convert::call(&request);
        let email = credentials::email("email", &request.get_ref().email).map_err(Failure)?;
        self.accounts.resend_verification(email, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::ResendVerificationResponse {}))
    }

    async fn change_email(
        &self,
        request: Request<pb::ChangeEmailRequest>,
    ) -> Result<Response<pb::ChangeEmailResponse>, Status> {
        let (actor, call) = (actor(&request)?, convert::call(&request));
        let (email, password) = credentials::change_email(request.into_inner()).map_err(Failure)?;
        self.accounts.request_email_change(&actor, email, &password, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::ChangeEmailResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (actor, call) = (actor(&request)?, convert::call(&request));
        let (current, new) = credentials::change_password(request.into_inner()).map_err(Failure)?;
        let ended = self.accounts.change_password(&actor, &current, new, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::ChangePasswordResponse { revoked_count: ended.try_into().unwrap_or(i32::MAX) }))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let call = convert::call(&request);
        let email = credentials::email("email", &request.get_ref().email).map_err(Failure)?;
        self.accounts.request_password_reset(email, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let call = convert::call(&request);
        let (ticket, new) = credentials::reset_password(request.into_inner()).map_err(Failure)?;
        self.accounts.reset_password(&ticket, new, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        let call = convert::call(&request);
        let ((ticket, name), password) = credentials::accept_invitation(request.into_inner()).map_err(Failure)?;
        let account = self.accounts.accept_invitation(&ticket, name, password, &call).await.map_err(Failure)?;
        Ok(Response::new(pb::AcceptInvitationResponse { account: Some(convert::account(&account)) }))
    }
}

/// Who asks, for the use cases that look the account up.
pub(super) fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    let claims = caller(request)?.claims();
    Ok(Actor { account_id: claims.sub, session_id: claims.sid, epoch: claims.epoch })
}

/// Who calls. Only a method that was made public by mistake has none.
pub(super) fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    proof(request)
}

/// What the layer proved of whoever calls.
fn proof<T, P: Send + Sync + 'static>(request: &Request<T>) -> Result<&P, Status> {
    request.extensions().get().ok_or_else(|| status::internal("a guarded method was called without a caller".into()))
}

fn expires_in(issued: &IssuedToken) -> i32 {
    issued.expires_in.as_secs().try_into().unwrap_or(i32::MAX)
}
