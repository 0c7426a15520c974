//! `countersign.v1.AdminService`: each RPC parses, calls one use case, and converts.

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::auth_service::actor;
use super::portable;
use crate::accounts::Accounts;
use crate::pb;
use crate::pb::admin_service_server::AdminService;

pub(super) struct Admin {
    accounts: Accounts,
}

impl Admin {
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AdminService for Admin {
    type ImportAccountsStream = Responses<pb::ImportAccountsResponse>;
    type ExportAccountsStream = Responses<pb::ExportAccountsResponse>;

    async fn create_account(
        &self,
        _: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn get_account(&self, _: Request<pb::GetAccountRequest>) -> Result<Response<pb::GetAccountResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_accounts(
        &self,
        _: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn update_account(
        &self,
        _: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn set_password(
        &self,
        _: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn delete_account(
        &self,
        _: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_firms(&self, _: Request<pb::ListFirmsRequest>) -> Result<Response<pb::ListFirmsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn create_invitation(
        &self,
        _: Request<pb::CreateInvitationRequest>,
    ) -> Result<Response<pb::CreateInvitationResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_invitations(
        &self,
        _: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn revoke_invitation(
        &self,
        _: Request<pb::RevokeInvitationRequest>,
    ) -> Result<Response<pb::RevokeInvitationResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn get_attempts(
        &self,
        _: Request<pb::GetAttemptsRequest>,
    ) -> Result<Response<pb::GetAttemptsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn clear_attempts(
        &self,
        _: Request<pb::ClearAttemptsRequest>,
    ) -> Result<Response<pb::ClearAttemptsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_audit_events(
        &self,
        _: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn import_accounts(
        &self,
        request: Request<Streaming<pb::ImportAccountsRequest>>,
    ) -> Result<Response<Self::ImportAccountsStream>, Status> {
        let actor = actor(&request)?;
        Ok(Response::new(portable::import(self.accounts.clone(), actor, request.into_inner()).await?))
    }

    async fn export_accounts(
        &self,
        request: Request<pb::ExportAccountsRequest>,
    ) -> Result<Response<Self::ExportAccountsStream>, Status> {
        Ok(Response::new(portable::export(self.accounts.clone(), actor(&request)?).await?))
    }
}
