//! The service: a `Greeter` behind the layer of `countersign-guard`, and a watcher that keeps its set of revocations.
//! Separate from `main`, the test client, because a service of your own needs only this.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_guard::clock::SystemClock;
use countersign_guard::layer::{AuthLayer, Authority, Caller, Refusal};
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{Keyring, Secret, Tokens, Verifier};
use countersign_guard::watch::Watcher;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::BoxError;
use crate::greeter::greeter_server::{Greeter, GreeterServer};
use crate::greeter::{GreetRequest, GreetResponse};

/// Implements the `Greeter` of `proto/greeter.proto`.
struct PoliteGreeter;

#[tonic::async_trait]
impl Greeter for PoliteGreeter {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetResponse>, Status> {
        // The layer inserts the caller, and only for a token that it has verified.
        let caller = request.extensions().get::<Caller>().ok_or_else(|| Status::internal("no layer"))?;
        Ok(Response::new(GreetResponse { greeting: format!("Hello, {}", caller.account_id()) }))
    }
}

/// Starts the service on a free port, and returns its address. `countersign` is the server to watch.
pub async fn serve(countersign: Endpoint) -> Result<SocketAddr, BoxError> {
    let credential = Secret::parse(env::var("WATCH_CREDENTIALS")?)?;
    let revocations = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let mut watcher = Watcher::new(move || countersign.connect_lazy(), &credential, Arc::clone(&revocations))?;
    let authority = match env::var("JWKS_URL") {
        // The server signs with an asymmetric key, so this service needs no secret of tokens, and mints none.
        Ok(url) => {
            let verifier = Verifier::from_jwks(&url, &env::var("ISSUER")?)?;
            watcher = watcher.with_verifier(verifier.clone());
            Authority::from(verifier)
        }
        Err(_) => {
            let secret = Secret::parse(env::var("JWT_SECRET")?)?;
            // The server's `SESSION_MAX_LIFETIME`: 30 days unless it is set.
            let session_max_lifetime = Duration::from_secs(30 * 24 * 3_600);
            Authority::from(Tokens::new(Keyring::new(&secret, None), Arc::new(SystemClock), session_max_lifetime))
        }
    };
    tokio::spawn(watcher.follow());

    let auth = AuthLayer::new(authority, revocations, [""; 0], |refusal| {
        let status = match refusal {
            Refusal::Unavailable => Status::unavailable(refusal.to_string()),
            _ => Status::unauthenticated(refusal.to_string()),
        };
        status.into_http()
    })?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = Server::builder().layer(auth).add_service(GreeterServer::new(PoliteGreeter));
    tokio::spawn(service.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(address)
}
