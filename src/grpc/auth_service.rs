//! `countersign.v1.AuthService`: each RPC parses, calls one use case, and converts.

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::status::{self, Failure};
use super::{convert, deadline};
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
        let (client, deadline) = (convert::client(&request), deadline::noted(&request));
        let (registration, password) = convert::registration(request.into_inner(), self.accounts.policy()).map_err(Failure)?;
        let (account, token) =
            self.accounts.register(registration, password, client, deadline).await.map_err(Failure)?;
        Ok(Response::new(pb::RegisterResponse {
            account: Some(convert::account(&account)),
            expires_in: token.as_ref().map_or(0, expires_in),
            token: token.map(|issued| issued.token.into_string()).unwrap_or_default(),
        }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let (client, deadline) = (convert::client(&request), deadline::noted(&request));
        let (handle, password) = convert::login(request.into_inner()).map_err(Failure)?;
        let (account, token) = self.accounts.login(&handle, &password, client, deadline).await.map_err(Failure)?;
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
}

/// Who calls. Only a method that was made public by mistake has none.
pub(super) fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    request.extensions().get().ok_or_else(|| status::internal("a guarded method was called without a caller".into()))
}

fn expires_in(issued: &IssuedToken) -> i32 {
    issued.expires_in.as_secs().try_into().unwrap_or(i32::MAX)
}
