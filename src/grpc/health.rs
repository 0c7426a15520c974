//! The health service of gRPC, with `List` (gRFC A90). Written here because `tonic-health` has no `List`, and answers a
//! watch of an unknown service with an error instead of SERVICE_UNKNOWN. All services have one status: that of the
//! process.

use futures_util::stream;
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::pb::health::health_check_response::ServingStatus;
use crate::pb::health::health_server::Health as HealthService;
use crate::pb::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};

pub(super) struct HealthRpcs {
    /// The services with a status. The empty name is the server as a whole.
    services: Vec<String>,
    /// Whether the server serves. Streams end when this channel is closed.
    serving: watch::Receiver<bool>,
}

impl HealthRpcs {
    pub(super) fn new(services: impl Iterator<Item = String>, serving: watch::Receiver<bool>) -> Self {
        Self { services: services.chain([String::new()]).collect(), serving }
    }

    fn is_known(&self, request: &Request<HealthCheckRequest>) -> bool {
        self.services.contains(&request.get_ref().service)
    }
}

#[tonic::async_trait]
impl HealthService for HealthRpcs {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.is_known(&request) {
            return Err(Status::not_found("the server has no service of this name"));
        }
        Ok(Response::new(response(status(*self.serving.borrow()))))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let response = response(status(*self.serving.borrow()));
        let statuses = self.services.iter().map(|service| (service.clone(), response)).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = self.is_known(&request);
        let begin = (self.serving.clone(), None);
        Ok(Response::new(Box::pin(stream::unfold(begin, move |(mut serving, told)| async move {
            loop {
                let now = *serving.borrow_and_update();
                let now = if is_known { status(now) } else { ServingStatus::ServiceUnknown };
                if told != Some(now) {
                    return Some((Ok(response(now)), (serving, Some(now))));
                }
                serving.changed().await.ok()?;
            }
        }))))
    }
}

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
