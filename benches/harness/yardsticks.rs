//! The yardsticks: servers that do nothing, each in a process of its own (this program again, selected by a word), and
//! the bare hash. They use the same allocator, get the same bytes, and answer with about as many.

use std::future::ready;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use argon2_kernel::{Kernel, Memory, Params};
use axum::Router;
use countersign::pb::account::Identity;
use countersign::pb::auth_service_server::{AuthService, AuthServiceServer};
use countersign::pb::{Account, MeRequest, MeResponse, UsernameIdentity};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::{Builder, Runtime};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::Process;

/// The argument by which this program becomes one of the servers.
const WORD: &str = "be-a-yardstick";

/// A bare tonic service on the runtime of `#[tokio::main]`.
pub const ECHO: &str = "echo";
/// A bare tonic service on a current-thread runtime.
pub const ECHO_CURRENT: &str = "echo-current-thread";
/// A bare axum route that answers 204, on the runtime of `#[tokio::main]`.
pub const NO_CONTENT: &str = "204";
/// A bare tonic service that lets every request of Envoy pass, on the runtime of `#[tokio::main]`.
pub const YES: &str = "yes";

/// Starts one of the servers, on one core or on all.
pub fn start(folder: &Path, core: Option<usize>, what: &str) -> Process {
    Process::myself(folder, core, WORD, what)
}

/// Runs the server that the command line selects, if it selects one. The server ends at the end of standard input, when
/// the process that started it ends.
pub fn serve() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [word, what, address] = &arguments[..] else { return None };
    if word != WORD {
        return None;
    }
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let address: SocketAddr = address.parse().unwrap();
    let default = || Builder::new_multi_thread().enable_all().build().unwrap();
    let current = || Builder::new_current_thread().enable_all().build().unwrap();
    match what.as_str() {
        ECHO => echo(default(), address),
        ECHO_CURRENT => echo(current(), address),
        NO_CONTENT => default().block_on(async {
            let router = Router::new().route("/api/auth/me", axum::routing::get(async || StatusCode::NO_CONTENT));
            // For services behind a proxy, at any path.
            let router = router.fallback(async || StatusCode::NO_CONTENT);
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            axum::serve(listener, router).await.unwrap();
        }),
        YES => {
            let routes = Routes::from(Router::new().fallback(async || yes()));
            default().block_on(Server::builder().add_routes(routes).serve(address)).unwrap();
        }
        other => panic!("no yardstick is called {other}"),
    }
    Some(ExitCode::SUCCESS)
}

fn echo(runtime: Runtime, address: SocketAddr) {
    runtime.block_on(Server::builder().add_service(AuthServiceServer::new(Nothing)).serve(address)).unwrap();
}

/// The answer to every call: a `CheckResponse` with an empty status and an empty `ok_response`.
fn yes() -> http::Response<Body> {
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::from(&[0, 0, 0, 0, 4, 0x0a, 0, 0x1a, 0][..]).with_trailers(ready(Some(Ok(trailers))));
    let mut answer = http::Response::new(Body::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// A service that answers Me with the same account always.
struct Nothing;

/// Implements the other methods, in the form that `async_trait` requires.
macro_rules! nothing {
    ($($rpc:ident: $Request:ident, $Response:ident;)+) => {$(
        fn $rpc<'a, 'b>(
            &'a self,
            _: Request<countersign::pb::$Request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<countersign::pb::$Response>, Status>> + Send + 'b>>
        where
            'a: 'b,
        {
            Box::pin(std::future::ready(Err(Status::unimplemented(""))))
        }
    )+};
}

#[async_trait::async_trait]
impl AuthService for Nothing {
    async fn me(&self, _: Request<MeRequest>) -> Result<Response<MeResponse>, Status> {
        let account = Account {
            id: "01a00000-0000-7000-8000-000000000001".to_owned(),
            identity: Some(Identity::UsernameIdentity(UsernameIdentity { username: "u00000001".to_owned() })),
            create_time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        };
        Ok(Response::new(MeResponse { account: Some(account) }))
    }

    nothing!(
        register: RegisterRequest, RegisterResponse;
        login: LoginRequest, LoginResponse;
        complete_login: CompleteLoginRequest, CompleteLoginResponse;
        logout: LogoutRequest, LogoutResponse;
        verify_email: VerifyEmailRequest, VerifyEmailResponse;
        resend_verification: ResendVerificationRequest, ResendVerificationResponse;
        change_email: ChangeEmailRequest, ChangeEmailResponse;
        change_password: ChangePasswordRequest, ChangePasswordResponse;
        request_password_reset: RequestPasswordResetRequest, RequestPasswordResetResponse;
        reset_password: ResetPasswordRequest, ResetPasswordResponse;
        accept_invitation: AcceptInvitationRequest, AcceptInvitationResponse;
    );
}

/// The hashes a second on all cores. Each thread reuses its own memory, as in the server. Only whole hashes count, in
/// the time that they took, so that the last one of each thread is not cut.
pub fn hashes(kernel: Kernel, params: &argon2::Params, spell: Duration) -> f64 {
    let threads = std::thread::available_parallelism().unwrap().get();
    let together = Barrier::new(threads);
    let hash = || {
        let params = Params::try_from(params).unwrap();
        let mut memory = Memory::allocate(params.blocks()).unwrap();
        let mut once = || kernel.fill(b"s3cur3pass", b"saltsaltsaltsalt", params, &mut memory).unwrap();
        once();
        together.wait();
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < spell {
            once();
            done += 1;
        }
        f64::from(done) / begun.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(hash)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
