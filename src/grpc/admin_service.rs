//! `countersign.v1.AdminService`: each RPC parses, calls one use case, and converts.

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::call_context::{actor, call};
use super::status::ToStatus;
use super::{admin_convert, fields, portable};
use crate::accounts::{Accounts, Actor};
use crate::domain::{AuthError, Call, KeyId};
use crate::pb;
use crate::pb::admin_service_server::AdminService;

pub(super) struct AdminRpcs {
    accounts: Accounts,
}

impl AdminRpcs {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    /// Returns what was parsed. A caller that is not an administrator is told so, and not what is wrong with the
    /// request.
    async fn valid<T>(&self, actor: &Actor, call: &Call, parsed: Result<T, AuthError>) -> Result<T, Status> {
        if parsed.is_err() {
            self.accounts.require_administrator(actor, call).await.map_err(ToStatus)?;
        }
        Ok(parsed.map_err(ToStatus)?)
    }
}

#[tonic::async_trait]
impl AdminService for AdminRpcs {
    type ImportAccountsStream = BoxStream<pb::ImportAccountsResponse>;
    type ExportAccountsStream = BoxStream<pb::ExportAccountsResponse>;

    async fn create_account(
        &self,
        request: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let (creation, password) = self.valid(&actor, &call, admin_convert::creation(request.into_inner())).await?;
        let made = self.accounts.create_account(&actor, creation, password, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::CreateAccountResponse { account: Some(admin_convert::record(&made)) }))
    }

    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let id = self.valid(&actor, &call, fields::id("account", &request.get_ref().account_id)).await?;
        let found = self.accounts.get_account(&actor, id, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::GetAccountResponse { account: Some(admin_convert::record(&found)) }))
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let message = request.into_inner();
        let (asked, limit) = self.valid(&actor, &call, admin_convert::account_question(&message)).await?;
        let page_token = &message.page_token;
        let list = self.accounts.list_accounts(&actor, asked, limit, page_token, &call).await.map_err(ToStatus)?;
        let accounts = list.accounts.iter().map(admin_convert::record).collect();
        Ok(Response::new(pb::ListAccountsResponse { accounts, next_page_token: list.next_page_token }))
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let change = self.valid(&actor, &call, admin_convert::change(request.get_ref())).await?;
        let id = self.valid(&actor, &call, fields::id("account", &request.get_ref().account_id)).await?;
        let updated = self.accounts.update_account(&actor, id, change, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::UpdateAccountResponse { account: Some(admin_convert::updated(&updated)) }))
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let message = request.into_inner();
        let id = self.valid(&actor, &call, fields::id("account", &message.account_id)).await?;
        let password = self.valid(&actor, &call, admin_convert::password(message.password)).await?;
        self.accounts.set_password(&actor, id, password, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::SetPasswordResponse {}))
    }

    async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let id = self.valid(&actor, &call, fields::id("account", &request.get_ref().account_id)).await?;
        self.accounts.delete_account(&actor, id, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::DeleteAccountResponse {}))
    }

    async fn remove_second_factors(
        &self,
        request: Request<pb::RemoveSecondFactorsRequest>,
    ) -> Result<Response<pb::RemoveSecondFactorsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let id = self.valid(&actor, &call, fields::id("account", &request.get_ref().account_id)).await?;
        self.accounts.remove_second_factors(&actor, id, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RemoveSecondFactorsResponse {}))
    }

    async fn list_firms(
        &self,
        request: Request<pb::ListFirmsRequest>,
    ) -> Result<Response<pb::ListFirmsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let message = request.into_inner();
        let limit = self.valid(&actor, &call, fields::page_size(message.page_size)).await?;
        let list = self.accounts.list_firms(&actor, limit, &message.page_token, &call).await.map_err(ToStatus)?;
        let firms = list.firms.iter().map(admin_convert::firm).collect();
        Ok(Response::new(pb::ListFirmsResponse { firms, next_page_token: list.next_page_token }))
    }

    async fn create_invitation(
        &self,
        request: Request<pb::CreateInvitationRequest>,
    ) -> Result<Response<pb::CreateInvitationResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let invited = self.valid(&actor, &call, admin_convert::invited(request.get_ref())).await?;
        let invitation = self.accounts.create_invitation(&actor, invited, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::CreateInvitationResponse { invitation: Some(admin_convert::invitation(&invitation)) }))
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let message = request.into_inner();
        let limit = self.valid(&actor, &call, fields::page_size(message.page_size)).await?;
        let firm = self.valid(&actor, &call, fields::optional_id("firm", &message.firm_id)).await?;
        let page_token = &message.page_token;
        let list = self.accounts.list_invitations(&actor, firm, limit, page_token, &call).await.map_err(ToStatus)?;
        let invitations = list.invitations.iter().map(admin_convert::invitation).collect();
        Ok(Response::new(pb::ListInvitationsResponse { invitations, next_page_token: list.next_page_token }))
    }

    async fn revoke_invitation(
        &self,
        request: Request<pb::RevokeInvitationRequest>,
    ) -> Result<Response<pb::RevokeInvitationResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let id = self.valid(&actor, &call, fields::id("invitation", &request.get_ref().invitation_id)).await?;
        self.accounts.revoke_invitation(&actor, id, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RevokeInvitationResponse {}))
    }

    async fn get_attempts(
        &self,
        request: Request<pb::GetAttemptsRequest>,
    ) -> Result<Response<pb::GetAttemptsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let handle = self.valid(&actor, &call, admin_convert::handle(&request.get_ref().handle)).await?;
        let state = self.accounts.get_attempts(&actor, &handle, &call).await.map_err(ToStatus)?;
        Ok(Response::new(admin_convert::attempts(state)))
    }

    async fn clear_attempts(
        &self,
        request: Request<pb::ClearAttemptsRequest>,
    ) -> Result<Response<pb::ClearAttemptsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let handle = self.valid(&actor, &call, admin_convert::handle(&request.get_ref().handle)).await?;
        self.accounts.clear_attempts(&actor, &handle, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ClearAttemptsResponse {}))
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let message = request.into_inner();
        let (asked, limit) = self.valid(&actor, &call, admin_convert::audit_question(&message)).await?;
        let page_token = &message.page_token;
        let list = self.accounts.list_audit_events(&actor, asked, limit, page_token, &call).await.map_err(ToStatus)?;
        let events = list.events.iter().map(admin_convert::event).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { events, next_page_token: list.next_page_token }))
    }

    async fn list_signing_keys(
        &self,
        request: Request<pb::ListSigningKeysRequest>,
    ) -> Result<Response<pb::ListSigningKeysResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let keys = self.accounts.list_signing_keys(&actor, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ListSigningKeysResponse { keys: keys.iter().map(admin_convert::signing_key).collect() }))
    }

    async fn rotate_signing_keys(
        &self,
        request: Request<pb::RotateSigningKeysRequest>,
    ) -> Result<Response<pb::RotateSigningKeysResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let immediately = request.into_inner().immediately;
        let rotation = self.accounts.rotate_signing_keys(&actor, immediately, call).await.map_err(ToStatus)?;
        Ok(Response::new(admin_convert::rotation(&rotation)))
    }

    async fn revoke_signing_key(
        &self,
        request: Request<pb::RevokeSigningKeyRequest>,
    ) -> Result<Response<pb::RevokeSigningKeyResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let id = KeyId::parse(&request.get_ref().key_id);
        self.accounts.revoke_signing_key(&actor, id, call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::RevokeSigningKeyResponse {}))
    }

    async fn import_accounts(
        &self,
        request: Request<Streaming<pb::ImportAccountsRequest>>,
    ) -> Result<Response<Self::ImportAccountsStream>, Status> {
        Ok(Response::new(portable::import(&self.accounts, request).await?))
    }

    async fn export_accounts(
        &self,
        request: Request<pb::ExportAccountsRequest>,
    ) -> Result<Response<Self::ExportAccountsStream>, Status> {
        Ok(Response::new(portable::export(&self.accounts, &request).await?))
    }
}
