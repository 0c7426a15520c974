//! Refuses a sign-in or a registration before its body is read, when the stack has no room for it. The answer is made
//! once for each path, because a flood gets it thousands of times a second.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use http_rule::Rules;
use tonic::Status;

use super::body::LIMITS;
use super::call::Rpc;

/// The RPCs that are refused so, with the paths of the dialects that call them.
const PATHS: [(&str, [&str; 2]); 2] = [
    ("/countersign.v1.AuthService/Login", ["/api/auth/login", "/auth/login"]),
    ("/countersign.v1.AuthService/Register", ["/api/auth/register", "/auth/register"]),
];

/// The paths, and the answers that have been made.
#[derive(Debug)]
pub(super) struct PreparedRefusals {
    rpc: Rpc,
    paths: HashMap<String, (&'static str, OnceLock<Prepared>)>,
}

/// An answer that is sent again and again.
#[derive(Debug)]
pub(super) struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl PreparedRefusals {
    pub(super) fn new(rpc: Rpc, rules: &Rules) -> Self {
        let paths = PATHS.into_iter().flat_map(|(rpc, dialects)| {
            let bindings = rules.bindings().iter().filter(move |binding| binding.grpc_path == rpc);
            let of_rules = bindings.map(|binding| binding.template.shown());
            let paths = of_rules.chain(dialects.map(str::to_owned));
            paths.map(move |path| (path, (rpc, OnceLock::new()))).collect::<Vec<_>>()
        });
        Self { paths: paths.collect(), rpc }
    }

    /// The RPC and the answer of a request that the stack may refuse early.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<&(&'static str, OnceLock<Prepared>)> {
        if *method == Method::POST { self.paths.get(path) } else { None }
    }

    /// The answer to a request that the stack refuses early. `refuse` makes the answer of its path.
    pub(super) fn of(&self, request: &Request, refuse: impl FnOnce(Status) -> Response) -> Option<Response> {
        let (rpc, prepared) = self.find(request.method(), request.uri().path())?;
        let (head, _) = self.rpc.refusal(rpc, request)?.into_parts();
        let prepared = prepared.get_or_init(|| {
            Prepared::new(refuse(Status::from_header_map(&head.headers).unwrap_or_else(|| Status::unavailable(""))))
        });
        let mut answer = Response::new(Body::from(prepared.body.clone()));
        *answer.status_mut() = prepared.status;
        answer.headers_mut().clone_from(&prepared.headers);
        *answer.extensions_mut() = head.extensions;
        Some(answer)
    }
}

impl Prepared {
    fn new(answer: Response) -> Self {
        let (head, body) = answer.into_parts();
        // The body is complete already.
        let body = body.collect().now_or_never().and_then(Result::ok).map(Collected::to_bytes);
        Self { status: head.status, headers: head.headers, body: body.unwrap_or_default() }
    }
}

/// Takes what has arrived of a body, up to the largest message. A small one has arrived with its head, and then the
/// connection can go on.
pub(super) fn skip(mut body: Body) {
    let mut left = LIMITS.bytes;
    while let Some(Some(Ok(frame))) = body.frame().now_or_never()
        && let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))
    {
        left = less;
    }
}
