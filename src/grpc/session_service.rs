//! `countersign.v1.SessionService`: each RPC parses, calls one use case, and converts.

use tonic::{Request, Response, Status};

use super::call_context::{actor, call};
use super::introspection::Introspectors;
use super::status::ToStatus;
use super::watch::{self, Watchers};
use super::{convert, fields};
use crate::accounts::Accounts;
use crate::pb;
use crate::pb::session_service_server::SessionService;

pub(super) struct SessionRpcs {
    accounts: Accounts,
    watchers: Watchers,
    introspectors: Introspectors,
}

impl SessionRpcs {
    pub(super) fn new(accounts: Accounts, watchers: Watchers, introspectors: Introspectors) -> Self {
        Self { accounts, watchers, introspectors }
    }
}

#[tonic::async_trait]
impl SessionService for SessionRpcs {
    type WatchRevocationsStream = watch::RevocationStream;

    async fn watch_revocations(
        &self,
        request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        self.watchers.authorise(request.metadata()).map_err(ToStatus)?;
        let responses = self.watchers.watch(&self.accounts, &request.get_ref().cursor).await.map_err(ToStatus)?;
        Ok(Response::new(responses))
    }

    async fn introspect_token(
        &self,
        request: Request<pb::IntrospectTokenRequest>,
    ) -> Result<Response<pb::IntrospectTokenResponse>, Status> {
        self.introspectors.authorise(&self.accounts, &request)?;
        let call = call(&request);
        let token = fields::token(request.into_inner().token).map_err(ToStatus)?;
        let active = self.accounts.introspect(&token, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::IntrospectTokenResponse { active: active.as_ref().map(convert::active_token) }))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        self.introspectors.authorise(&self.accounts, &request)?;
        let call = call(&request);
        let token = fields::token(request.into_inner().token).map_err(ToStatus)?;
        self.accounts.revoke_token(&token, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RevokeTokenResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let actor = actor(&request)?;
        let message = request.into_inner();
        let limit = fields::page_size(message.page_size).map_err(ToStatus)?;
        let account_id = fields::optional_id("account", &message.account_id).map_err(ToStatus)?;
        let list =
            self.accounts.list_sessions(&actor, account_id, limit, &message.page_token).await.map_err(ToStatus)?;
        let sessions = list.sessions.into_iter().map(|stored| convert::session(stored, actor.session_id)).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token: list.next_page_token }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let actor = actor(&request)?;
        let call = call(&request);
        let session_id = fields::id("session", &request.into_inner().session_id).map_err(ToStatus)?;
        self.accounts.revoke_session(&actor, session_id, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<pb::RevokeOtherSessionsRequest>,
    ) -> Result<Response<pb::RevokeOtherSessionsResponse>, Status> {
        let actor = actor(&request)?;
        let call = call(&request);
        let account_id = fields::optional_id("account", &request.into_inner().account_id).map_err(ToStatus)?;
        let revoked = self.accounts.revoke_other_sessions(&actor, account_id, call).await.map_err(ToStatus)?;
        let revoked_count = revoked.try_into().unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeOtherSessionsResponse { revoked_count }))
    }
}
