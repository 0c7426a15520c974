//! `countersign.v1.SessionService`: each RPC parses, calls one use case, and converts.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::auth_service::actor;
use super::convert;
use super::status::Failure;
use super::watch::{self, Watchers};
use crate::accounts::Accounts;
use crate::domain::{AuthError, Violations};
use crate::pb;
use crate::pb::session_service_server::SessionService;

/// Sessions on a page, unless the request says how many.
const PAGE: u32 = 50;

/// A page of these is under 200 KiB, however long the labels.
const LONGEST_PAGE: u32 = 200;

pub(super) struct Sessions {
    accounts: Accounts,
    watchers: Watchers,
}

impl Sessions {
    pub fn new(accounts: Accounts, watchers: Watchers) -> Self {
        Self { accounts, watchers }
    }
}

#[tonic::async_trait]
impl SessionService for Sessions {
    type WatchRevocationsStream = watch::Responses;

    async fn watch_revocations(
        &self,
        request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        self.watchers.authorise(request.metadata()).map_err(Failure)?;
        let responses = self.watchers.watch(&self.accounts, &request.get_ref().cursor).await.map_err(Failure)?;
        Ok(Response::new(responses))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let actor = actor(&request)?;
        let message = request.into_inner();
        let limit = page_size(message.page_size).map_err(Failure)?;
        let account_id = account_id(&message.account_id).map_err(Failure)?;
        let list =
            self.accounts.list_sessions(&actor, account_id, limit, &message.page_token).await.map_err(Failure)?;
        let sessions = list.sessions.into_iter().map(|stored| convert::session(stored, actor.session_id)).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token: list.next_page_token }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let actor = actor(&request)?;
        let session_id = id(&request.into_inner().session_id).map_err(Failure)?;
        self.accounts.revoke_session(&actor, session_id).await.map_err(Failure)?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<pb::RevokeOtherSessionsRequest>,
    ) -> Result<Response<pb::RevokeOtherSessionsResponse>, Status> {
        let actor = actor(&request)?;
        let account_id = account_id(&request.into_inner().account_id).map_err(Failure)?;
        let revoked = self.accounts.revoke_other_sessions(&actor, account_id).await.map_err(Failure)?;
        let revoked_count = revoked.try_into().unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeOtherSessionsResponse { revoked_count }))
    }
}

/// One's own when empty.
fn account_id(text: &str) -> Result<Option<Uuid>, AuthError> {
    if text.is_empty() { Ok(None) } else { id(text).map(Some) }
}

/// What is no UUID is nobody's id: it is not found, like any other.
fn id(text: &str) -> Result<Uuid, AuthError> {
    Uuid::try_parse(text).map_err(|_| AuthError::NotFound)
}

fn page_size(asked: i32) -> Result<u32, AuthError> {
    match u32::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(LONGEST_PAGE)),
        Err(_) => {
            let mut violations = Violations::default();
            violations.add("page_size", "must not be negative");
            Err(AuthError::Validation(violations))
        }
    }
}
