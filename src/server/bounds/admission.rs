//! A call's way in and out: it is given a place, its body is counted, and its answer takes the place along. Apart from the counting,
//! as `body` is.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::Body;

use super::{Bodies, Bounds, Counted, Place};
use crate::grpc::ClientAddress;

/// A call that was let in.
#[derive(Debug)]
pub(in crate::server) struct Admitted {
    /// None is needed to be asked whether the process lives: whoever asks would end it for being busy.
    place: Option<Place>,
    bodies: Arc<Bodies>,
    client: Option<IpAddr>,
    /// Whether some of its body was not read; of HTTP/1 only.
    unread: Option<Arc<AtomicBool>>,
}

impl Bounds {
    /// Lets a call in, of which nothing has been read but its head, unless there are too many.
    pub fn admit<B: Body>(&self, request: &Request<B>, is_stream: bool) -> Option<Admitted> {
        let client = request.extensions().get().map(|&ClientAddress(address)| address);
        // Health and reflection.
        let is_open = request.uri().path().starts_with("/grpc.");
        let bound = match (is_stream, is_open) {
            (false, _) => &self.calls,
            (true, false) => &self.streams,
            (true, true) => &self.open_streams,
        };
        let place = if is_probe(request.uri().path()) { None } else { Some(bound.take(client)?) };
        let unread = has_body_of_http1(request).then(|| Arc::new(AtomicBool::new(true)));
        Some(Admitted { place, bodies: Arc::clone(&self.bodies), client, unread })
    }
}

impl Admitted {
    /// The request, whose body is counted as it arrives.
    pub fn count<B>(&self, request: Request<B>) -> Request<Counted<B>> {
        request.map(|body| Counted::new(body, Arc::clone(&self.bodies), self.client, self.unread.clone()))
    }

    /// The call is answered. Its place is held until the answer has been sent (`connection`). What is left of an HTTP/1 body
    /// stands where the next request would: the connection ends, and says so, or that request would be lost.
    pub fn answered<B>(self, answer: &mut Response<B>) {
        if self.unread.is_some_and(|unread| unread.load(Ordering::Relaxed)) {
            say_last(answer);
        }
        if let Some(place) = self.place {
            answer.extensions_mut().insert(Arc::new(place));
        }
    }
}

/// What must be said in the answer to a request whose body is left unread: over HTTP/1 no other request can follow.
pub(in crate::server) fn leave_unread<A, B: Body>(request: &Request<B>, answer: &mut Response<A>) {
    if has_body_of_http1(request) {
        say_last(answer);
    }
}

/// What balancers and init systems ask.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/grpc.health.v1.Health/Check")
}

fn has_body_of_http1<B: Body>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2 && !request.body().is_end_stream()
}

fn say_last<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
