//! Another tonic service behind the same tokens: it verifies them by itself, asks no database and no other service, and
//! refuses one in the moment its session ends, for it watches revocations. Then, as a client, proves it.
//!
//! ```sh
//! export JWT_SECRET=$(openssl rand -base64 48) WATCH_CREDENTIALS=$(openssl rand -base64 48)
//! ALLOW_REGISTRATION=true cargo run --release &
//! cargo run --example guarded_service
//! ```
//!
//! `COUNTERSIGN_URL` says where, if not at `http://127.0.0.1:3008`.

#![expect(clippy::disallowed_methods, reason = "a process of its own, with settings of its own")]

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::clock::SystemClock;
use countersign::layer::{AuthLayer, Caller, Refusal};
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LogoutRequest, RegisterRequest, register_request::Handle};
use countersign::revocations::Revocations;
use countersign::token::{Keyring, Secret, Tokens};
use countersign::watch::Watcher;
use greeter::greeter_client::GreeterClient;
use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{GreetRequest, GreetResponse};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

#[expect(clippy::allow_attributes, reason = "generated")]
mod greeter {
    tonic::include_proto!("greeter.v1");
}

type Failure = Box<dyn Error + Send + Sync>;

/// How often to prove it.
const ROUNDS: usize = 20;

/// Longer than any of them may take.
const PROMISE: Duration = Duration::from_secs(1);

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetResponse>, Status> {
        // Only the layer puts it there, and only for a token that it has verified.
        let caller = request.extensions().get::<Caller>().ok_or_else(|| Status::internal("no layer"))?;
        Ok(Response::new(GreetResponse { greeting: format!("Hello, {}", caller.account_id()) }))
    }
}

/// Starts the service: its own keys, its own set, and a watcher that keeps the set.
async fn serve(countersign: Endpoint) -> Result<SocketAddr, Failure> {
    let secret = Secret::parse(env::var("JWT_SECRET")?)?;
    let credential = Secret::parse(env::var("WATCH_CREDENTIALS")?)?;
    let month = Duration::from_secs(30 * 24 * 3_600);
    let tokens = Tokens::new(Keyring::new(&secret, None), Arc::new(SystemClock), month);
    let revocations = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    tokio::spawn(Watcher::new(move || countersign.connect_lazy(), &credential, Arc::clone(&revocations))?.follow());

    let auth = AuthLayer::new(tokens, revocations, [""; 0], |refusal| {
        let status = match refusal {
            Refusal::Unavailable => Status::unavailable(refusal.to_string()),
            _ => Status::unauthenticated(refusal.to_string()),
        };
        status.into_http()
    })?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = Server::builder().layer(auth).add_service(GreeterServer::new(Hello));
    tokio::spawn(service.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(address)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:3008".to_owned());
    let countersign = Endpoint::from_shared(url)?;
    let address = serve(countersign.clone()).await?;
    // Connects when it is needed, again and again.
    let mut auth = AuthServiceClient::new(countersign.connect_lazy());
    let mut greeter = GreeterClient::new(Endpoint::from_shared(format!("http://{address}"))?.connect_lazy());

    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let username = format!("guest{}", &Uuid::now_v7().simple().to_string()[22..]);
        let registration = RegisterRequest {
            handle: Some(Handle::Username(username)),
            password: "s3cur3pass".to_owned(),
            ..Default::default()
        };
        let token = register(&mut auth, registration).await?;
        greet(&mut greeter, &token).await?;

        auth.logout(with(&token, LogoutRequest {})?).await?;
        let acknowledged = Instant::now();
        loop {
            match greet(&mut greeter, &token).await {
                Err(status) if status.code() == Code::Unauthenticated => break,
                Ok(()) if acknowledged.elapsed() < PROMISE => {}
                other => return Err(format!("{:?} after the logout: {other:?}", acknowledged.elapsed()).into()),
            }
        }
        took.push(acknowledged.elapsed());
    }
    took.sort();
    println!(
        "{ROUNDS} logouts, refused by the other service after: median {:?}, longest {:?}",
        took[ROUNDS / 2],
        took[ROUNDS - 1]
    );
    Ok(())
}

/// Registers a guest; at the start, waits a while for the server.
async fn register(auth: &mut AuthServiceClient<Channel>, registration: RegisterRequest) -> Result<String, Status> {
    let began = Instant::now();
    loop {
        match auth.register(registration.clone()).await {
            Err(status) if status.code() == Code::Unavailable && began.elapsed() < 300 * PROMISE => {
                tokio::time::sleep(PROMISE).await;
            }
            answer => return answer.map(|response| response.into_inner().token),
        }
    }
}

/// Calls the other service; at the start, until it has caught up with revocations, for a few seconds at most.
async fn greet(greeter: &mut GreeterClient<Channel>, token: &str) -> Result<(), Status> {
    let began = Instant::now();
    loop {
        match greeter.greet(with(token, GreetRequest {})?).await {
            Err(status) if status.code() == Code::Unavailable && began.elapsed() < 5 * PROMISE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer.map(|_| ()),
        }
    }
}

fn with<T>(token: &str, message: T) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let token = token.parse().map_err(|_| Status::invalid_argument("no token"))?;
    request.metadata_mut().insert("token", token);
    Ok(request)
}
