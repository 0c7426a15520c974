//! What ours is compared with: servers that do nothing, as processes of their own (this program again, told which by a
//! word), and the hash by itself. They use the same allocator, are asked the same bytes, and answer about as many.

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
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::Process;

/// What this program says to itself to be one of the servers.
const WORD: &str = "be-a-yardstick";

/// A bare tonic service on the runtime that `#[tokio::main]` makes.
pub const ECHO: &str = "echo";
/// The same on a current-thread runtime.
pub const ECHO_CURRENT: &str = "echo-current-thread";
/// A bare axum route that answers 204, on the runtime that `#[tokio::main]` makes.
pub const NO_CONTENT: &str = "204";

/// Starts one of them, on one core or on all.
pub fn start(folder: &Path, core: Option<usize>, what: &str) -> Process {
    Process::myself(folder, core, WORD, what)
}

/// Runs the server that the command line asks for, if it asks for one. It ends at the end of standard input, when the
/// process that started it ends.
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
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            axum::serve(listener, router).await.unwrap();
        }),
        other => panic!("no yardstick is called {other}"),
    }
    Some(ExitCode::SUCCESS)
}

fn echo(runtime: Runtime, address: SocketAddr) {
    runtime.block_on(Server::builder().add_service(AuthServiceServer::new(Nothing)).serve(address)).unwrap();
}

/// Answers Me with the same account always.
struct Nothing;

/// Methods that are not asked for, in the form that `async_trait` gives the others.
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

/// Hashes a second on all cores, each thread with memory of its own that it uses again, as a
/// server's do. Whole hashes in the time that they took, so that the last one of each thread is not cut.
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
