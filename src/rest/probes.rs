//! `GET /healthz` and `GET /readyz`, for load balancers and init systems that speak no gRPC. The second is a projection
//! like all else here: of `grpc.health.v1.Health/Check`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::call::Rpc;

pub(super) fn routes(rpc: Rpc) -> Router {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(HealthClient::new(rpc))
}

/// The process answers: that is all it says.
async fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// Whether calls are being served: 503 while the database is out of reach, and from the moment of a shutdown.
async fn ready(State(mut health): State<HealthClient<Rpc>>) -> Response {
    let overall = HealthCheckRequest { service: String::new() };
    let serving =
        health.check(overall).await.is_ok_and(|response| response.into_inner().status == ServingStatus::Serving as i32);
    if serving {
        Json(json!({ "status": "ready" })).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready" }))).into_response()
    }
}
