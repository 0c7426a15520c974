//! The unary RPCs that the dialects and the probes call in process, each known by the type of its request. Separate
//! from `call`, which knows no RPC. The generated clients are for networks, and would cost each call more.

use http::uri::PathAndQuery;
use http_rule::unary;
use prost::Message;
use tonic::{Request, Response, Status};

use super::call::Rpc;
use crate::pb;
use crate::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use crate::pb::health::{HealthCheckRequest, HealthCheckResponse};

/// The request of a unary RPC.
pub(super) trait UnaryRequest: Message {
    /// The path of the RPC.
    const PATH: &'static str;
    /// The response of the RPC.
    type Response: Message + Default;
}

macro_rules! unary_requests {
    ($($request:ty => $path:literal, $response:ty;)*) => {
        $(impl UnaryRequest for $request {
            const PATH: &'static str = $path;
            type Response = $response;
        })*

        #[cfg(test)]
        const NAMES: &[(&str, &str, &str)] = &[$((stringify!($request), $path, stringify!($response))),*];
    };
}

unary_requests! {
    pb::RegisterRequest => "/countersign.v1.AuthService/Register", pb::RegisterResponse;
    pb::LoginRequest => "/countersign.v1.AuthService/Login", pb::LoginResponse;
    pb::CompleteLoginRequest => "/countersign.v1.AuthService/CompleteLogin", pb::CompleteLoginResponse;
    pb::MeRequest => "/countersign.v1.AuthService/Me", pb::MeResponse;
    pb::LogoutRequest => "/countersign.v1.AuthService/Logout", pb::LogoutResponse;
    pb::VerifyEmailRequest => "/countersign.v1.AuthService/VerifyEmail", pb::VerifyEmailResponse;
    pb::ResendVerificationRequest => "/countersign.v1.AuthService/ResendVerification", pb::ResendVerificationResponse;
    pb::ChangeEmailRequest => "/countersign.v1.AuthService/ChangeEmail", pb::ChangeEmailResponse;
    pb::ChangePasswordRequest => "/countersign.v1.AuthService/ChangePassword", pb::ChangePasswordResponse;
    pb::RequestPasswordResetRequest =>
        "/countersign.v1.AuthService/RequestPasswordReset", pb::RequestPasswordResetResponse;
    pb::ResetPasswordRequest => "/countersign.v1.AuthService/ResetPassword", pb::ResetPasswordResponse;
    pb::AcceptInvitationRequest => "/countersign.v1.AuthService/AcceptInvitation", pb::AcceptInvitationResponse;
    pb::CreateInvitationRequest => "/countersign.v1.AdminService/CreateInvitation", pb::CreateInvitationResponse;
    pb::ListInvitationsRequest => "/countersign.v1.AdminService/ListInvitations", pb::ListInvitationsResponse;
    pb::RevokeInvitationRequest => "/countersign.v1.AdminService/RevokeInvitation", pb::RevokeInvitationResponse;
    pb::IntrospectTokenRequest => "/countersign.v1.SessionService/IntrospectToken", pb::IntrospectTokenResponse;
    pb::RevokeTokenRequest => "/countersign.v1.SessionService/RevokeToken", pb::RevokeTokenResponse;
    CheckRequest => "/envoy.service.auth.v3.Authorization/Check", CheckResponse;
    HealthCheckRequest => "/grpc.health.v1.Health/Check", HealthCheckResponse;
}

impl Rpc {
    /// Calls the RPC of a request.
    pub(super) async fn unary<Q: UnaryRequest>(mut self, request: Request<Q>) -> Result<Response<Q::Response>, Status> {
        unary(&mut self, PathAndQuery::from_static(Q::PATH), request, Q::Response::default()).await
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::NAMES;
    use crate::pb::{DESCRIPTORS, ENVOY_DESCRIPTORS, HEALTH_DESCRIPTORS};

    #[test]
    fn every_request_is_of_the_rpc_that_its_path_names() {
        let mut pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        pool.decode_file_descriptor_set(HEALTH_DESCRIPTORS).unwrap();
        pool.decode_file_descriptor_set(ENVOY_DESCRIPTORS).unwrap();
        for (request, path, response) in NAMES {
            let (service, method) = path.trim_start_matches('/').split_once('/').unwrap();
            let service = pool.get_service_by_name(service).unwrap();
            let rpc = service.methods().find(|rpc| rpc.name() == method).unwrap_or_else(|| panic!("{path}"));
            let last = |name: &str| name.rsplit(':').next().unwrap().trim().to_owned();
            assert_eq!((rpc.input().name(), rpc.output().name()), (&*last(request), &*last(response)), "{path}");
            assert!(!rpc.is_server_streaming() && !rpc.is_client_streaming(), "{path}");
        }
    }
}
