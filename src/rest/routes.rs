//! The routes that no proto describes: each path, with a handler for each of its methods. Metrics, the check against
//! the rules of the protos and the tests ask for the paths, so each path is written once. axum's router would look the
//! path up a second time, and allocate for each of its layers.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use http::header::HeaderValue;

/// Answers the requests of one method.
pub(super) type Handler = Box<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// One path with its handlers.
pub(super) struct Route {
    /// A template, as in the protos.
    pub path: &'static str,
    /// Empty for a path that is reserved and not served.
    handlers: Vec<(Method, Handler)>,
    /// The handler of all methods.
    any: Option<Handler>,
}

impl Route {
    /// The handler for a method. `GET` also answers `HEAD`.
    pub(super) fn handler(&self, method: &Method) -> Option<&Handler> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.handlers.iter().find(|(taken, _)| taken == method).map(|(_, handler)| handler).or(self.any.as_ref())
    }

    /// The methods for the header `Allow`; `None` if the path is not served.
    pub(super) fn allow(&self) -> Option<HeaderValue> {
        let names =
            self.handlers.iter().map(|(method, _)| if method == Method::GET { "GET,HEAD" } else { method.as_str() });
        let names: Vec<_> = names.collect();
        HeaderValue::from_str(&names.join(",")).ok().filter(|allow| !allow.is_empty())
    }

    /// The path as one that nothing answers.
    pub(super) fn reserved(self) -> Self {
        Self { handlers: Vec::new(), any: None, ..self }
    }
}

/// Routes with handlers that need the state `S`.
pub(super) struct Routes<S> {
    state: S,
    routes: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(super) fn new(state: S) -> Self {
        Self { state, routes: Vec::new() }
    }

    /// Adds the handler of a method of a path.
    pub(super) fn on<F>(
        mut self,
        method: Method,
        path: &'static str,
        handler: impl Fn(S, Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        let handlers = vec![(method, self.handler(handler))];
        add(&mut self.routes, Route { path, handlers, any: None });
        self
    }

    /// Adds the handler of all methods of a path.
    pub(super) fn on_any<F>(
        mut self,
        path: &'static str,
        handler: impl Fn(S, Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        let any = Some(self.handler(handler));
        add(&mut self.routes, Route { path, handlers: Vec::new(), any });
        self
    }

    fn handler<F>(&self, handler: impl Fn(S, Request) -> F + Send + Sync + 'static) -> Handler
    where
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        let state = self.state.clone();
        Box::new(move |request| handler(state.clone(), request).map(IntoResponse::into_response).boxed())
    }

    /// All routes, in the order in which they were added.
    pub(super) fn into_vec(self) -> Vec<Route> {
        self.routes
    }
}

/// Adds a route, or its handlers to those of the same path.
pub(super) fn add(routes: &mut Vec<Route>, route: Route) {
    match routes.iter_mut().find(|other| other.path == route.path) {
        Some(other) => other.handlers.extend(route.handlers),
        None => routes.push(route),
    }
}
