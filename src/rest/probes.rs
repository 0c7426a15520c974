//! `GET /healthz` and `GET /readyz`, for load balancers and init systems that do not speak gRPC. `/readyz` is a
//! projection of `grpc.health.v1.Health/Check`.

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use serde_json::json;

use super::call::Rpc;
use super::routes::{Route, Routes};
use crate::pb::health::HealthCheckRequest;
use crate::pb::health::health_check_response::ServingStatus;

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    let mut routes = Routes::new(()).on(Method::GET, "/healthz", alive).into_vec();
    routes.extend(Routes::new(rpc).on(Method::GET, "/readyz", ready).into_vec());
    routes
}

/// The process answers, whatever the state of the service.
async fn alive((): (), _: Request) -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// The service answers: 503 while the database is out of reach, and from the moment of a shutdown.
async fn ready(rpc: Rpc, _: Request) -> Response {
    let overall = HealthCheckRequest { service: String::new() };
    let serving = rpc
        .unary(tonic::Request::new(overall))
        .await
        .is_ok_and(|response| response.into_inner().status() == ServingStatus::Serving);
    if serving {
        Json(json!({ "status": "ready" })).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready" }))).into_response()
    }
}
