//! The calls of a client over real connections, by gRPC and as JSON. Every part of a refusal is kept, because each one
//! is judged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{LoginRequest, LogoutRequest, MeRequest, RegisterRequest, login_request, register_request};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::PASSWORD;
use crate::support::http::call;

/// The deadline of each call.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A call that was refused or not answered.
#[derive(Debug)]
pub struct Refused {
    pub code: Code,
    /// The reason of the `ErrorInfo`. Empty without one, for example when the client's library made the status.
    pub reason: String,
    pub message: String,
    /// Whether the refusal carries a fresh token.
    pub token: bool,
    /// Whether the client's library gave the call up before sending it, because the connection was just being closed.
    /// gRPC clients should send such a call again ("transparent retries", A6). The library used here returns CANCELLED
    /// or INTERNAL instead.
    pub unsent: bool,
    pub took: Duration,
}

impl Refused {
    fn new(status: &Status, begun: Instant) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        let (mut message, token) = (status.message().to_owned(), status.metadata().contains_key("token"));
        let (mut source, mut unsent) = (std::error::Error::source(status), false);
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            // hyper, src/client/dispatch.rs: a request that hyper took out of the connection's queue again.
            unsent |= cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
            // h2: a request on a connection that the server has asked to end (RFC 9113 section 6.8). A request that the
            // server had begun and left unfinished would be a broken pipe.
            let refused = |error: &h2::Error| error.is_go_away() && error.is_remote();
            unsent |= cause
                .downcast_ref::<h2::Error>()
                .is_some_and(|error| refused(error) && error.reason() == Some(h2::Reason::NO_ERROR));
            source = cause.source();
        }
        Self { code: status.code(), reason, message, token, unsent, took: begun.elapsed() }
    }

    /// Whether the token was refused as dead.
    pub fn is_dead(&self) -> bool {
        self.code == Code::Unauthenticated && self.reason == "TOKEN_INVALID"
    }

    /// Whether the service is unavailable, or did not answer in time. The client's library says CANCELLED if it notices
    /// the deadline first.
    pub fn is_away(&self) -> bool {
        let is_late = matches!(self.code, Code::DeadlineExceeded | Code::Cancelled) && self.took >= DEADLINE;
        self.code == Code::Unavailable || is_late
    }
}

fn request<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    if !token.is_empty() {
        request.metadata_mut().insert("token", token.parse().unwrap());
    }
    request
}

pub fn sessions(channel: &Channel) -> SessionServiceClient<Channel> {
    SessionServiceClient::new(channel.clone())
}

/// A request that carries a token.
pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    request(message, token)
}

pub async fn register(channel: &Channel, username: &str) -> Result<String, Refused> {
    let handle = Some(register_request::Handle::Username(username.to_owned()));
    let message = RegisterRequest { handle, password: PASSWORD.to_owned(), ..RegisterRequest::default() };
    let begun = Instant::now();
    let answer = AuthServiceClient::new(channel.clone()).register(request(message, "")).await;
    answer.map(|answer| answer.into_inner().token).map_err(|status| Refused::new(&status, begun))
}

pub async fn login(channel: &Channel, username: &str) -> Result<String, Refused> {
    let handle = Some(login_request::Handle::Username(username.to_owned()));
    let message = LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() };
    let begun = Instant::now();
    let answer = AuthServiceClient::new(channel.clone()).login(request(message, "")).await;
    answer.map(|answer| answer.into_inner().token).map_err(|status| Refused::new(&status, begun))
}

/// Calls Me and returns the fresh token, which is empty if the answer has none.
pub async fn me(channel: &Channel, token: &str) -> Result<String, Refused> {
    let begun = Instant::now();
    let answer = AuthServiceClient::new(channel.clone()).me(request(MeRequest {}, token)).await;
    let fresh = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get("token").map(|token| token.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    answer.map(|answer| fresh(answer.metadata())).map_err(|status| Refused::new(&status, begun))
}

pub async fn logout(channel: &Channel, token: &str) -> Result<(), Refused> {
    let begun = Instant::now();
    let answer = AuthServiceClient::new(channel.clone()).logout(request(LogoutRequest {}, token)).await;
    answer.map(drop).map_err(|status| Refused::new(&status, begun))
}

/// The same calls as JSON, over new connections. The status of a refusal is mapped to a code.
pub mod rest {
    use super::*;

    async fn send(
        address: SocketAddr,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> Result<crate::support::Answer, Refused> {
        let begun = Instant::now();
        let headers = if token.is_empty() { &[][..] } else { &[("token", token)] };
        let refused = |code, reason: &str, message, token| {
            let (reason, took) = (reason.to_owned(), begun.elapsed());
            Err(Refused { code, reason, message, token, unsent: false, took })
        };
        let answer = match call(address, method, path, headers, &body).await {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) => answer,
            // Not UNAVAILABLE: only running replicas are called, so a closed connection is a fault.
            Err(error) => return refused(Code::Unknown, "", error.to_string(), false),
        };
        let (code, reason) = match answer.status {
            StatusCode::SERVICE_UNAVAILABLE if answer.header("retry-after").is_some() => {
                (Code::ResourceExhausted, "OVERLOADED")
            }
            StatusCode::SERVICE_UNAVAILABLE => (Code::Unavailable, "UNAVAILABLE"),
            StatusCode::UNAUTHORIZED if !token.is_empty() => (Code::Unauthenticated, "TOKEN_INVALID"),
            StatusCode::UNAUTHORIZED => (Code::Unauthenticated, "INVALID_CREDENTIALS"),
            StatusCode::CONFLICT => (Code::AlreadyExists, "HANDLE_TAKEN"),
            _ => (Code::Unknown, ""),
        };
        let message = format!("{path} {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        refused(code, reason, message, answer.header("token").is_some())
    }

    pub async fn register(address: SocketAddr, username: &str) -> Result<String, Refused> {
        let account = json!({ "username": username, "password": PASSWORD });
        let answer = send(address, Method::POST, "/api/auth/register", "", account).await?;
        Ok(answer.json()["token"].as_str().unwrap().to_owned())
    }

    pub async fn login(address: SocketAddr, username: &str) -> Result<String, Refused> {
        let account = json!({ "username": username, "password": PASSWORD });
        let answer = send(address, Method::POST, "/api/auth/login", "", account).await?;
        Ok(answer.json()["token"].as_str().unwrap().to_owned())
    }

    pub async fn me(address: SocketAddr, token: &str) -> Result<String, Refused> {
        let answer = send(address, Method::GET, "/api/auth/me", token, Value::Null).await?;
        Ok(answer.header("token").unwrap_or_default().to_owned())
    }

    pub async fn logout(address: SocketAddr, token: &str) -> Result<(), Refused> {
        send(address, Method::POST, "/auth/logout", token, Value::Null).await.map(drop)
    }
}
