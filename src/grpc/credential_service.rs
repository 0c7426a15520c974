//! `countersign.v1.CredentialService`: each RPC parses, calls one use case, and converts.

use tonic::{Request, Response, Status};

use super::call_context::{actor, call};
use super::status::ToStatus;
use super::{authenticator, credential_convert, status};
use crate::accounts::Accounts;
use crate::pb;
use crate::pb::credential_service_server::CredentialService;

pub(super) struct CredentialRpcs {
    accounts: Accounts,
}

impl CredentialRpcs {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[tonic::async_trait]
impl CredentialService for CredentialRpcs {
    async fn get_second_factors(
        &self,
        request: Request<pb::GetSecondFactorsRequest>,
    ) -> Result<Response<pb::GetSecondFactorsResponse>, Status> {
        let factors = self.accounts.second_factors(&actor(&request)?).await.map_err(ToStatus)?;
        Ok(Response::new(credential_convert::factors(&factors)))
    }

    async fn begin_totp(
        &self,
        request: Request<pb::BeginTotpRequest>,
    ) -> Result<Response<pb::BeginTotpResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let password = credential_convert::password(request.into_inner().password).map_err(ToStatus)?;
        let new = self.accounts.begin_totp(&actor, &password, &call).await.map_err(ToStatus)?;
        let shown = authenticator::shown(&new).map_err(|error| status::internal(error.into()))?;
        Ok(Response::new(shown))
    }

    async fn confirm_totp(
        &self,
        request: Request<pb::ConfirmTotpRequest>,
    ) -> Result<Response<pb::ConfirmTotpResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let code = credential_convert::code(request.into_inner().code).map_err(ToStatus)?;
        let codes = self.accounts.confirm_totp(&actor, code, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::ConfirmTotpResponse { recovery_codes: credential_convert::exposed(&codes) }))
    }

    async fn delete_totp(
        &self,
        request: Request<pb::DeleteTotpRequest>,
    ) -> Result<Response<pb::DeleteTotpResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let password = credential_convert::password(request.into_inner().password).map_err(ToStatus)?;
        self.accounts.delete_totp(&actor, &password, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::DeleteTotpResponse {}))
    }

    async fn make_recovery_codes(
        &self,
        request: Request<pb::MakeRecoveryCodesRequest>,
    ) -> Result<Response<pb::MakeRecoveryCodesResponse>, Status> {
        let (actor, call) = (actor(&request)?, call(&request));
        let password = credential_convert::password(request.into_inner().password).map_err(ToStatus)?;
        let codes = self.accounts.make_recovery_codes(&actor, &password, &call).await.map_err(ToStatus)?;
        Ok(Response::new(pb::MakeRecoveryCodesResponse { recovery_codes: credential_convert::exposed(&codes) }))
    }
}
