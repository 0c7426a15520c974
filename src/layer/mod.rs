//! Authentication as tower middleware: reads the token of a request, refuses or lets it through with a verified
//! [`Caller`], and countersigns the answer with a fresh token.
//!
//! 1. **Two carriers**, `token: <jwt>` and `authorization: Bearer <jwt>`, and exactly one credential: the same token in
//!    both is one, two different ones are refused, and so is a repeated header. An `authorization` of another scheme is
//!    nobody's token, and as good as none.
//! 2. **Public by exact path**, given at construction. Everything else is guarded, including what does not exist yet.
//! 3. **A fresh token on every answer** of an authenticated call, errors included, in the header `token` (with
//!    `cache-control: no-store`). Two answers never carry one: an unauthenticated one (HTTP 401, or gRPC status 16 in
//!    the headers), and one whose session is over by the time it leaves, or may be.
//! 4. **A refresh keeps** the subject, the session, the sign-in time and the lifetime; a ceiling on the sign-in time ends
//!    endless sliding. A handler that has just read the account puts a [`Profile`](crate::token::Profile) into the
//!    *response* extensions, and the fresh token shows that.
//! 5. **A client cannot set what the layer sets**: the [`Caller`] travels in request extensions, which no header
//!    reaches, and is made from verified claims only. The credential headers are taken off the request.
//! 6. **The refusal is a response**, made by the closure given at construction: a gRPC service answers with a status, an
//!    HTTP one with 401.
//! 7. **Who wants to know of fresh tokens** is told by the closure of [`AuthLayer::on_fresh_token`], after the answer has
//!    been given one.
//! 8. **Fail closed**: while the [set of revocations](crate::revocations) is stale, no token is accepted, and the refusal
//!    is [`Refusal::Unavailable`]: the token may well be good, so the client must keep it and try again. The same goes for a
//!    token from the future, and for all of them while this machine's clock is further off than is tolerated.
//! 9. **Ending by exact path**, for logging out: [`AuthLayer::ending`] lets a token pass that has expired or was revoked. The
//!    handler gets a [`FormerCaller`], which proves less, and no answer there carries a token.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use axum::{Extension, Router, http::StatusCode, response::IntoResponse, routing::get};
//! use countersign::clock::SystemClock;
//! use countersign::layer::{AuthLayer, Caller, Refusal};
//! use countersign::revocations::Revocations;
//! use countersign::token::{Keyring, Secret, Tokens};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::parse(std::fs::read_to_string("/run/secrets/jwt")?)?;
//! let month = Duration::from_secs(30 * 24 * 3600);
//! let tokens = Tokens::new(Keyring::new(&secret, None), Arc::new(SystemClock), month);
//! let auth = AuthLayer::new(tokens, Arc::new(Revocations::default()), ["/healthz"], |refusal| {
//!     let status = match refusal {
//!         Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
//!         _ => StatusCode::UNAUTHORIZED,
//!     };
//!     (status, refusal.to_string()).into_response()
//! })?;
//! let app: Router = Router::new()
//!     .route("/healthz", get(|| async { "ok" }))
//!     .route("/api/accounts", get(|Extension(caller): Extension<Caller>| async move { caller.account_id().to_string() }))
//!     .layer(auth);
//! # Ok(()) }
//! ```
//!
//! # Caveats
//!
//! The layer refuses what the set of [`Revocations`](crate::revocations::Revocations) holds. A service that leaves the
//! set empty, as this example does, accepts a token until it expires, whoever has logged out meanwhile.
//!
//! It must see the request with its full path: under axum's `nest`, which strips a prefix, no public path would
//! match (which fails closed).

mod caller;
mod credential;
mod future;
mod guard;
#[expect(clippy::module_inception, reason = "tower's convention: a middleware is mod, layer, service, future")]
mod layer;
mod service;
mod warning;

pub use caller::{Caller, FormerCaller, FreshToken};
pub use credential::{Credential, TOKEN, read as read_credential};
pub use future::ResponseFuture;
pub use guard::Refusal;
pub use layer::{AuthLayer, InvalidPath};
pub use service::Auth;
