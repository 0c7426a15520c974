//! The calls of the generated client, in process.

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{
    ListSessionsRequest, LoginRequest, LogoutRequest, MeRequest, RegisterRequest, RevokeOtherSessionsRequest,
    RevokeSessionRequest, login_request, register_request,
};
use countersign::server::RequestRouter;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{PASSWORD, TestApp};

/// A client of one app, cheap to clone.
#[derive(Clone)]
pub struct Client(RequestRouter);

/// The code and the reason of a refusal.
pub type Refused = (Code, String);

/// The refusal of a token that is dead.
pub fn dead() -> Refused {
    (Code::Unauthenticated, "TOKEN_INVALID".to_owned())
}

fn refused(status: Status) -> Refused {
    (status.code(), status.get_details_error_info().map_or_else(|| status.message().to_owned(), |info| info.reason))
}

fn with<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", token.parse().unwrap());
    request
}

impl Client {
    pub fn new(app: &TestApp) -> Self {
        Self(app.service.clone())
    }

    fn auth(&self) -> AuthServiceClient<RequestRouter> {
        AuthServiceClient::new(self.0.clone())
    }

    fn sessions(&self) -> SessionServiceClient<RequestRouter> {
        SessionServiceClient::new(self.0.clone())
    }

    pub async fn register(&self, username: &str) -> Result<String, Refused> {
        let handle = Some(register_request::Handle::Username(username.to_owned()));
        let message = RegisterRequest { handle, password: PASSWORD.to_owned(), ..RegisterRequest::default() };
        self.auth().register(message).await.map(|answer| answer.into_inner().token).map_err(refused)
    }

    pub async fn login(&self, username: &str, password: &str) -> Result<String, Refused> {
        let handle = Some(login_request::Handle::Username(username.to_owned()));
        let message = LoginRequest { handle, password: password.to_owned(), device: String::new() };
        self.auth().login(message).await.map(|answer| answer.into_inner().token).map_err(refused)
    }

    /// Calls Me and returns the fresh token, if the answer has one.
    pub async fn me(&self, token: &str) -> Result<Option<String>, Refused> {
        let answer = self.auth().me(with(MeRequest {}, token)).await.map_err(refused)?;
        Ok(answer.metadata().get("token").map(|token| token.to_str().unwrap().to_owned()))
    }

    pub async fn logout(&self, token: &str) -> Result<(), Refused> {
        self.auth().logout(with(LogoutRequest {}, token)).await.map(drop).map_err(refused)
    }

    /// The number of sessions that are listed.
    pub async fn list(&self, token: &str) -> Result<usize, Refused> {
        let answer = self.sessions().list_sessions(with(ListSessionsRequest::default(), token)).await;
        answer.map(|answer| answer.into_inner().sessions.len()).map_err(refused)
    }

    pub async fn revoke(&self, token: &str, session_id: &str) -> Result<(), Refused> {
        let message = RevokeSessionRequest { session_id: session_id.to_owned() };
        self.sessions().revoke_session(with(message, token)).await.map(drop).map_err(refused)
    }

    /// The number of sessions that were ended.
    pub async fn revoke_others(&self, token: &str) -> Result<i32, Refused> {
        let answer = self.sessions().revoke_other_sessions(with(RevokeOtherSessionsRequest::default(), token)).await;
        answer.map(|answer| answer.into_inner().revoked_count).map_err(refused)
    }
}
