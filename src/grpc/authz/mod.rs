//! What proxies ask before they pass a request on to another service: whether the request may pass, which account sent
//! it, and which fresh token its answer carries. Envoy asks by `envoy.service.auth.v3.Authorization/Check`. The others
//! (nginx, Caddy, Traefik, HAProxy) ask over HTTP, and `rest::forward_auth` calls this RPC for them, so there is one
//! decision.
//!
//! `check` decides: by the credential in the `question`, by the `policy` of the route and by the account. `identity` is
//! what the service behind the proxy learns, and `answer` tells the proxy. A message of this RPC carries all headers of
//! a request, and the RPC is called for each request. So `wire` reads it in place and without a copy; the generated
//! messages would copy each name and each value, and would pass over fields that they do not know.

mod answer;
mod check;
mod identity;
mod policy;
mod question;
mod server;
mod wire;

pub(super) use check::Checks;
pub(crate) use server::{CHECK, undecided};
pub(super) use server::{CheckServer, SERVICE, without_failure};
