//! The port: listener, connections, TLS, and everything that happens to a request before it is either gRPC or REST.
//!
//! | file | what it is |
//! |---|---|
//! | `listener` | accepts connections, and drains them at the end |
//! | `limits` | the deadlines and other limits of a connection |
//! | `workers` | the threads that serve connections |
//! | `connection` | one connection from its first bytes to its end |
//! | `tls`, `certificate`, `validity` | the TLS handshake, the files that it is made with, and when they expire |
//! | `first_bytes` | the protocol of a connection, and the deadline for its first bytes |
//! | `large_heads` | the answers to requests with a head that is too large |
//! | `sending/` | closes connections to peers that read nothing |
//! | `bounds/` | limits of connections, calls, streams and bytes of bodies, by address |
//! | `routing` | the request's id, CORS, admission, and gRPC or REST by content type |
//! | `cors` | the answers to browsers about other origins |
//! | `forwarded` | the address of the client behind trusted proxies |
//! | `request_body` | a request body, the rest of which is read after an early answer |
//!
//! Connection settings live here. **Semantics do not**: the JSON APIs enter at [`grpc::stack`](crate::grpc::stack) and
//! would bypass them.

mod bounds;
mod certificate;
mod connection;
mod cors;
mod first_bytes;
mod forwarded;
mod grpc_protocol;
mod large_heads;
mod limits;
mod listener;
mod request_body;
mod routing;
mod sending;
mod tls;
mod validity;
mod workers;

pub(crate) use bounds::Bounds;
pub(crate) use certificate::Certificate;
pub(crate) use certificate::TlsError;
pub(crate) use cors::Cors;
pub(crate) use large_heads::LargeHeadAnswer;
pub(crate) use limits::ConnectionRules;
pub use limits::Limits;
pub(crate) use listener::{listen, serve};
pub use routing::RequestRouter;
pub(crate) use routing::meter;
pub(crate) use workers::Workers;
