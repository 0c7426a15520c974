//! Authentication as tower middleware: it reads the token of a request, refuses the request or passes it on with a
//! verified [`Caller`], and attaches a fresh token to the response. The crate's first page has an example.
//!
//! 1. **Two headers, one credential.** A token travels as `token: <jwt>` or as `authorization: Bearer <jwt>` (RFC
//!    6750). The same token in both is one credential; two different tokens are refused, and so is a repeated header.
//!    An `authorization` of another scheme is ignored.
//! 2. **Public by exact path.** The public paths are given at construction. Every other path needs a valid token, also
//!    a path that does not exist yet.
//! 3. **A fresh token on every response** to an authenticated request, also on errors, in the header `token` with
//!    `cache-control: no-store`. Two kinds of responses never get one: an authentication failure (HTTP 401, or gRPC
//!    status 16 in the headers), and a response to a session that is over or may be over by then. A layer that has a
//!    [`Verifier`](crate::token::Verifier) mints none: clients get fresh tokens from the server.
//! 4. **A refresh keeps** the subject, the session, the sign-in time and the lifetime. The longest lifetime of a
//!    session bounds it. A handler that has just read the account puts a [`Profile`](crate::token::Profile) into the
//!    extensions of the *response*, and the fresh token has that profile.
//! 5. **A client cannot forge a caller.** The [`Caller`] travels in the extensions of the request, which no header
//!    reaches, and it is made only from verified claims. The headers of the credential are removed from the request.
//! 6. **A refusal is a response**, not an error of the service. The function that is given at construction makes it: a
//!    gRPC status, or an HTTP 401.
//! 7. **Fresh tokens can be observed** by the callback of [`AuthLayer::on_fresh_token`]. A middleware around this one
//!    finds the lifetime of the token as [`FreshTokenLifetime`] in the extensions of the response.
//! 8. **It fails closed.** While the [set of revocations](crate::revocations) is stale, no token is accepted, and the
//!    refusal is [`Refusal::Unavailable`]: the token may be good, so the client must keep it and try again. The same
//!    holds for a token from the future, for one whose key may be new, and for all tokens while this machine's clock is
//!    wrong.
//! 9. **Ending by exact path**, for a logout: [`AuthLayer::ending`] also accepts an expired or revoked token. The
//!    handler gets a [`FormerCaller`], which proves less, and its response carries no token.

mod authority;
mod caller;
mod credential;
mod future;
mod guard;
#[expect(clippy::module_inception, reason = "tower's convention: a middleware is mod, layer, service, future")]
mod layer;
mod service;
mod warning;

pub use authority::Authority;
pub use caller::{Caller, FormerCaller};
pub use credential::{
    Credential, TOKEN, is_of_another_scheme, read as read_credential, read_joined as read_joined_credential,
};
pub use future::ResponseFuture;
pub use guard::{FreshTokenLifetime, Refusal};
pub use layer::{AuthLayer, InvalidPath};
pub use service::{Auth, Refused};
