//! `countersign.v1.AuthService`: each RPC parses, calls one use case, and converts.

use countersign_guard::token::IssuedToken;
use tonic::{Request, Response, Status};

use super::call_context::{actor, call, caller, former_caller};
use super::status::ToStatus;
use super::{auth_convert, convert, credential_convert};
use crate::accounts::{Accounts, LoginOutcome, profile};
use crate::pb;
use crate::pb::auth_service_server::AuthService;

pub(super) struct AuthRpcs {
    accounts: Accounts,
}

impl AuthRpcs {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[tonic::async_trait]
impl AuthService for AuthRpcs {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        let call = call(&request);
        self.accounts.require_open_registration(&call).map_err(ToStatus)?;
        let policy = self.accounts.policy();
        let (registration, password) = auth_convert::registration(request.into_inner(), policy).map_err(ToStatus)?;
        let (account, token) = self.accounts.register(registration, password, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RegisterResponse {
            account: Some(convert::account(&account)),
            expires_in: token.as_ref().map_or(0, expires_in),
            token: token.map(|issued| issued.token.into_string()).unwrap_or_default(),
        }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let call = call(&request);
        let evidence = auth_convert::device_evidence(&request);
        let (name, password) = auth_convert::login(request.into_inner()).map_err(ToStatus)?;
        let outcome = self.accounts.login(&name, &password, &evidence, call).await.map_err(ToStatus)?;
        Ok(Response::new(match outcome {
            LoginOutcome::SignedIn(signed_in) => pb::LoginResponse {
                expires_in: expires_in(&signed_in.token),
                token: signed_in.token.token.into_string(),
                account: Some(convert::account(&signed_in.account)),
                device: signed_in.device,
                second_factor: None,
            },
            LoginOutcome::NeedsSecondFactor(asked) => pb::LoginResponse {
                second_factor: Some(credential_convert::asked(asked)),
                ..pb::LoginResponse::default()
            },
        }))
    }

    async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> Result<Response<pb::CompleteLoginResponse>, Status> {
        let call = call(&request);
        let (ticket, proof) = credential_convert::completion(request.into_inner()).map_err(ToStatus)?;
        let completed = self.accounts.complete_login(&ticket, proof, call).await.map_err(ToStatus)?;
        let signed_in = completed.signed_in;
        Ok(Response::new(pb::CompleteLoginResponse {
            expires_in: expires_in(&signed_in.token),
            token: signed_in.token.token.into_string(),
            account: Some(convert::account(&signed_in.account)),
            device: signed_in.device,
            recovery_codes_left: completed.recovery_codes.try_into().unwrap_or(i32::MAX),
        }))
    }

    async fn me(&self, request: Request<pb::MeRequest>) -> Result<Response<pb::MeResponse>, Status> {
        let claims = caller(&request)?.claims();
        let account = self.accounts.who_is(claims.sub, claims.epoch).await.map_err(ToStatus)?;
        let shown = profile(&account.identity);
        let mut response = Response::new(pb::MeResponse { account: Some(convert::account(&account)) });
        // The layer issues the fresh token with this profile, so the token shows the same as the answer.
        response.extensions_mut().insert(shown);
        Ok(response)
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let former = former_caller(&request)?;
        self.accounts.logout(former.claims(), call(&request)).await.map_err(ToStatus)?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let call = call(&request);
        let ticket = auth_convert::ticket(request.into_inner().one_time_token).map_err(ToStatus)?;
        let account = self.accounts.verify_email(&ticket, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::VerifyEmailResponse { account: Some(convert::account(&account)) }))
    }

    async fn resend_verification(
        &self,
        request: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        let call = call(&request);
        let email = auth_convert::email("email", &request.get_ref().email).map_err(ToStatus)?;
        self.accounts.resend_verification(email, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ResendVerificationResponse {}))
    }

    async fn change_email(
        &self,
        request: Request<pb::ChangeEmailRequest>,
    ) -> Result<Response<pb::ChangeEmailResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let (email, password) = auth_convert::change_email(request.into_inner()).map_err(ToStatus)?;
        self.accounts.request_email_change(&actor, email, &password, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ChangeEmailResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let (current, new) = auth_convert::change_password(request.into_inner()).map_err(ToStatus)?;
        let ended = self.accounts.change_password(&actor, &current, new, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ChangePasswordResponse { revoked_count: ended.try_into().unwrap_or(i32::MAX) }))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let call = call(&request);
        let email = auth_convert::email("email", &request.get_ref().email).map_err(ToStatus)?;
        self.accounts.request_password_reset(email, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let call = call(&request);
        let (ticket, new) = auth_convert::reset_password(request.into_inner()).map_err(ToStatus)?;
        self.accounts.reset_password(&ticket, new, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        let call = call(&request);
        let ((ticket, name), password) = auth_convert::accept_invitation(request.into_inner()).map_err(ToStatus)?;
        let account = self.accounts.accept_invitation(&ticket, name, password, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::AcceptInvitationResponse { account: Some(convert::account(&account)) }))
    }
}

fn expires_in(issued: &IssuedToken) -> i32 {
    issued.expires_in.as_secs().try_into().unwrap_or(i32::MAX)
}
