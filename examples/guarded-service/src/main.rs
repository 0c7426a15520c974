//! A tonic service behind the tokens of Countersign, and a client that tests it. The service verifies tokens by itself,
//! without a database and without a call to Countersign. It watches revocations, so it refuses a token within
//! milliseconds after its session was revoked.
//!
//! ```sh
//! export JWT_SECRET=$(openssl rand -base64 48) WATCH_CREDENTIALS=$(openssl rand -base64 48)
//! ALLOW_REGISTRATION=true cargo run --release &
//! cargo run -p guarded-service
//! ```
//!
//! `COUNTERSIGN_URL` is the server's address, `http://127.0.0.1:3008` unless it is set. With `JWKS_URL` and `ISSUER`,
//! the service verifies with the server's public keys, and needs no `JWT_SECRET`. `LOGOUTS` is the number of logouts,
//! 20 unless it is set.

#![expect(clippy::disallowed_methods, reason = "a process of its own, with settings of its own")]

mod service;

use std::env;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign::auth_service_client::AuthServiceClient;
use countersign::{LogoutRequest, RegisterRequest, register_request::Handle};
use greeter::GreetRequest;
use greeter::greeter_client::GreeterClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

mod greeter {
    tonic::include_proto!("greeter.v1");
}

mod countersign {
    tonic::include_proto!("countersign.v1");
}

type BoxError = Box<dyn Error + Send + Sync>;

/// The number of logouts to try, unless `LOGOUTS` says another.
const ROUNDS: usize = 20;

/// The longest time between a logout and the first refusal.
const DEADLINE: Duration = Duration::from_secs(1);

/// The longest wait for the server, which may still be built.
const SERVER_START: Duration = Duration::from_secs(300);

/// The longest wait for the service to catch up with the revocations.
const WATCH_START: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let rounds = env::var("LOGOUTS").map_or(Ok(ROUNDS), |number| number.parse())?.max(1);
    let url = env::var("COUNTERSIGN_URL").unwrap_or_else(|_| "http://127.0.0.1:3008".to_owned());
    let countersign = Endpoint::from_shared(url)?;
    let address = service::serve(countersign.clone()).await?;
    // Both clients connect when a call needs it.
    let mut auth = AuthServiceClient::new(countersign.connect_lazy());
    let mut greeter = GreeterClient::new(Endpoint::from_shared(format!("http://{address}"))?.connect_lazy());

    let mut took = Vec::new();
    for _ in 0..rounds {
        let microseconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let username = format!("guest{:010x}", microseconds & 0xff_ffff_ffff);
        let registration = RegisterRequest {
            handle: Some(Handle::Username(username)),
            password: "s3cur3pass".to_owned(),
            ..Default::default()
        };
        let token = register(&mut auth, registration).await?;
        greet(&mut greeter, &token).await?;

        auth.logout(with_token(&token, LogoutRequest {})?).await?;
        let acknowledged = Instant::now();
        loop {
            match greet(&mut greeter, &token).await {
                Err(status) if status.code() == Code::Unauthenticated => break,
                Ok(()) if acknowledged.elapsed() < DEADLINE => {}
                other => return Err(format!("{:?} after the logout: {other:?}", acknowledged.elapsed()).into()),
            }
        }
        took.push(acknowledged.elapsed());
    }
    took.sort();
    // The shortest time that this share of the logouts does not exceed, in percent.
    let quantile = |percent: usize| took[(rounds * percent).div_ceil(100) - 1];
    println!(
        "{rounds} logouts, refused by the other service after: median {:?}, p99 {:?}, longest {:?}",
        quantile(50),
        quantile(99),
        quantile(100)
    );
    Ok(())
}

/// Registers a guest, and returns its token. Waits for a server that is still being built or started.
async fn register(auth: &mut AuthServiceClient<Channel>, registration: RegisterRequest) -> Result<String, Status> {
    let began = Instant::now();
    loop {
        match auth.register(registration.clone()).await {
            Err(status) if status.code() == Code::Unavailable && began.elapsed() < SERVER_START => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            answer => return answer.map(|response| response.into_inner().token),
        }
    }
}

/// Calls the service. Waits a few seconds while the service has not caught up with the revocations yet.
async fn greet(greeter: &mut GreeterClient<Channel>, token: &str) -> Result<(), Status> {
    let began = Instant::now();
    loop {
        match greeter.greet(with_token(token, GreetRequest {})?).await {
            Err(status) if status.code() == Code::Unavailable && began.elapsed() < WATCH_START => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer.map(|_| ()),
        }
    }
}

/// Makes a request with a token in its metadata.
fn with_token<T>(token: &str, message: T) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let token = token.parse().map_err(|_| Status::invalid_argument("no token"))?;
    request.metadata_mut().insert("token", token);
    Ok(request)
}
