//! Admits calls: a call is counted, its body is counted as it arrives, and its answer keeps the call counted until it
//! is sent. Separate from the counting itself, which knows nothing of HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::Body;

use super::Bounds;
use super::bodies::Bodies;
use super::body::CountedBody;
use super::count::CountGuard;
use crate::grpc::{CHECK, ClientAddress, Overload};
use crate::rest::is_forward_auth;

/// A call that was admitted.
#[derive(Debug)]
pub(in crate::transport) struct AdmittedCall {
    /// `None` for probes of liveness: an orchestrator would end the process for being busy.
    guard: Option<CountGuard>,
    bodies: Arc<Bodies>,
    client: Option<IpAddr>,
    /// Whether part of the body is still unread; set for HTTP/1 only.
    unread: Option<Arc<AtomicBool>>,
}

impl Bounds {
    /// Admits a call of which only the head was read, unless there are too many. Calls that compute a password hash
    /// wait for seconds in a flood, so they leave a quarter of the limits to the others.
    pub(in crate::transport) fn admit<B: Body>(
        &self,
        request: &Request<B>,
        is_stream: bool,
        hashes: bool,
    ) -> Option<AdmittedCall> {
        let client = request.extensions().get().map(|&ClientAddress(address)| address);
        // A proxy's own address stands for all of its clients, so it counts in total only.
        let asks_for_others = request.uri().path() == CHECK || is_forward_auth(request.uri().path());
        let counted = client.filter(|&client| !(asks_for_others && self.is_proxy(client)));
        // The streams of health and reflection.
        let is_open = request.uri().path().starts_with("/grpc.");
        let bound = match (is_stream, is_open) {
            (false, _) => &self.calls,
            (true, false) => &self.streams,
            (true, true) => &self.open_streams,
        };
        let guard = match is_probe(request.uri().path()) {
            true => None,
            false if hashes => Some(bound.take_leaving_a_quarter(counted)?),
            false => Some(bound.take(counted)?),
        };
        let unread = has_body_of_http1(request).then(|| Arc::new(AtomicBool::new(true)));
        Some(AdmittedCall { guard, bodies: Arc::clone(&self.bodies), client, unread })
    }
}

impl AdmittedCall {
    /// The request with a body that is counted as it arrives.
    pub(crate) fn count<B>(&self, request: Request<B>) -> Request<CountedBody<B>> {
        request.map(|body| CountedBody::new(body, Arc::clone(&self.bodies), self.client, self.unread.clone()))
    }

    /// Attaches the guard to the answer, so that the call counts until the answer is sent (`connection`). If part of an
    /// HTTP/1 body is unread, the answer announces the end of the connection: the next request would follow that part.
    pub(crate) fn answered<B>(self, answer: &mut Response<B>) {
        if self.unread.is_some_and(|unread| unread.load(Ordering::Relaxed)) {
            announce_close(answer);
        }
        // A refusal holds nothing while it waits to be sent. In a flood there are thousands, which must not keep out
        // the other calls of their address.
        if let Some(guard) = self.guard.filter(|_| answer.extensions().get::<Overload>().is_none()) {
            answer.extensions_mut().insert(Arc::new(guard));
        }
    }
}

/// Announces the end of an HTTP/1 connection if the body of the request is left unread: no other request can follow it.
pub(in crate::transport) fn leave_unread<A, B: Body>(request: &Request<B>, answer: &mut Response<A>) {
    if has_body_of_http1(request) {
        announce_close(answer);
    }
}

/// Whether the path is one that load balancers and orchestrators probe.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/grpc.health.v1.Health/Check" | "/grpc.health.v1.Health/List")
}

fn has_body_of_http1<B: Body>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2 && !request.body().is_end_stream()
}

fn announce_close<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
