//! The server: [`App::build`] puts the parts together, [`run`] serves them until a signal.
//!
//! `listener` is the one port with its drain, `connection` one that was accepted, `bounds` what clients may hold, `sending` whether
//! they take what they are sent, `edge` what happens to every request before it is either
//! gRPC or REST, `cors` what browsers are told, `metrics` what is measured, `feed` how the ends of sessions that other processes stored arrive here,
//! `workers` the threads that connections are served on, `tls` the handshake and `certificate` what it is made with,
//! `health` what is said of it, `writable` whether anything can be stored, `refusals` how a storm is logged, `last_tokens` how the times of sessions are written,
//! `trail` how the audit trail is, `mail` what mail is sent with, `secret` where secrets come from, `forwarded` where
//! requests come from.
//!
//! Connection knobs live here. **Semantics do not**: the JSON APIs enter at [`grpc::stack`] and would not see them.

mod bounds;
mod certificate;
mod connection;
mod cors;
mod edge;
mod feed;
mod first_bytes;
mod forwarded;
mod health;
mod last_tokens;
mod listener;
mod mail;
mod metrics;
mod patience;
mod refusals;
mod secret;
mod sending;
mod tls;
mod trail;
mod workers;
mod writable;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use argon2::Params;
use countersign_guard::clock::{Clock, SystemClock};
use countersign_guard::revocations::{ReferenceClock, Revocations};
use countersign_guard::token::{Keyring, Tokens};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::Service as _;

use crate::accounts::{self, Accounts, Audit, PasswordRules, Rules};
use crate::activity::Activity;
use crate::breaches::{Breaches, BreachesError};
use crate::budgets::{Budgets, PerHour};
use crate::config::{AllowedOrigin, Settings, SettingsError};
use crate::grpc;
use crate::hashing::{HashError, PasswordHasher};
use crate::mail::{MailError, Post, PublicUrl};
use crate::rest::{Rest, RestError, Rpc};
use crate::store::{self, Listed, OpenError, Purpose, Store, StoreError};

use bounds::Bounds;
use certificate::Certificate;
use cors::Cors;
use health::Health;
use listener::Rules as ConnectionRules;
use metrics::Meters;
use secret::Signing;
use workers::Workers;

pub use certificate::TlsError;
pub use edge::Edge;
pub use listener::Limits;
pub use secret::SecretSourceError;

/// Until the database is closed, after the drain.
const TIME_TO_CLOSE: Duration = Duration::from_millis(200);

/// Until mail that is under way has gone, from the beginning of the drain. It is in the database all the same.
const TIME_FOR_MAIL: Duration = Duration::from_secs(3);

/// Why the server did not start, or stopped. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database, once open.
    #[error("cannot read the database: {0}")]
    Store(#[from] StoreError),
    /// The signing secret.
    #[error(transparent)]
    Secret(#[from] SecretSourceError),
    /// What TLS is spoken with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of breached passwords.
    #[error("BREACHED_PASSWORDS_FILE: {0}")]
    Breaches(#[from] BreachesError),
    /// What new passwords must be.
    #[error(transparent)]
    Policy(#[from] SettingsError),
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// No thread to hash with.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No thread to serve with.
    #[error("the system gives no thread to serve with: {0}")]
    Threads(io::Error),
    /// A defect.
    #[error(transparent)]
    Stack(#[from] grpc::StackError),
    /// A defect, too.
    #[error(transparent)]
    Rules(#[from] RestError),
    /// An address, of the setting that is named first.
    #[error("cannot listen on {1}: {2}; set {0} to an address and port that are free")]
    Listen(&'static str, SocketAddr, io::Error),
    /// The system gives no signals.
    #[error("cannot wait for signals: {0}")]
    Signal(io::Error),
}

/// The parts, put together.
pub struct App {
    /// Everything that answers requests.
    pub service: Edge,
    /// The password lane; for tests.
    pub hasher: PasswordHasher,
    meters: Option<Meters>,
    certificate: Option<Certificate>,
    bounds: Arc<Bounds>,
    health: Health,
    feed: feed::Feed,
    revocations: Arc<Revocations>,
    activity: Arc<Activity>,
    audit: Arc<Audit>,
    audit_retention: Duration,
    store: Arc<dyn Store>,
    post: Post,
    public_url: Option<PublicUrl>,
}

/// Serves by the machine's clock until SIGTERM or SIGINT. With `new_database`, a database that was lost gives way to a new one.
pub async fn run(settings: &Settings, new_database: bool) -> Result<(), ServeError> {
    let purpose = if new_database { Purpose::ServeNew } else { Purpose::Serve };
    let app = App::open(settings, Arc::new(SystemClock), settings.hash_params.clone(), purpose).await?;
    raise_descriptor_limit();
    let scheme = if app.certificate.is_some() { "https" } else { "http" };
    let (listener, url) = listen("LISTEN_ADDR", settings.listen_addr, scheme).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;

    if let (Some(address), Some(meters)) = (settings.metrics_addr, &app.meters) {
        let (listener, url) = listen("METRICS_ADDR", address, "http").await?;
        tracing::info!(event = "metrics", url = format!("{url}/metrics"));
        let (revocations, bounds) = (Arc::clone(&app.revocations), Arc::clone(&app.bounds));
        let metrics = metrics::router(revocations, app.hasher.clone(), bounds, meters.clone());
        // To the last moment: the drain, too, is something to look at. On this thread, which has little else to do: it
        // must answer when the others are busy.
        let here = Workers::start(0).map_err(ServeError::Threads)?;
        tokio::spawn(async move {
            let rules = ConnectionRules { limits: Limits::default(), tls: None, bounds: None };
            listener::serve(listener, metrics, std::future::pending(), rules, &here).await;
        });
    }
    if !matches!(settings.allow_registration.as_str(), "true" | "false") {
        tracing::warn!("ALLOW_REGISTRATION is neither true nor false: registration is closed");
    }
    if settings.cors.cors_allowed_origins.contains(&AllowedOrigin::Any) {
        tracing::warn!("CORS_ALLOWED_ORIGINS is *: any web page may call");
    }
    let kernel = app.hasher.kernel();
    let registration = if settings.registration_open() { "open" } else { "closed" };
    tracing::info!(event = "start", version = env!("CARGO_PKG_VERSION"), url, registration, %kernel);
    let audit = Arc::clone(&app.audit);
    audit.started();
    tokio::spawn(accounts::tell_misnamed(app.store.clone()));
    if settings.passwords.is_contract() {
        tracing::warn!(
            event = "policy",
            "PASSWORD_POLICY is contract: passwords may be short and common ones; asvs-l1 or nist-800-63b-4 is better, and \
             locks out nobody who has one"
        );
    }
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        audit.stopped();
    };
    let (connections, age) = (settings.bounds.max_connections, settings.bounds.max_connection_age);
    app.serve(listener, stop, Limits { connections, age, ..Limits::default() }).await?;
    tracing::info!(event = "stop");
    Ok(())
}

impl App {
    /// Opens the database, reads the live revocations, and builds the one stack and what projects it. `params` are what
    /// hashes cost, in place of the setting: tests have no time for those.
    pub async fn build(settings: &Settings, clock: Arc<dyn Clock>, params: Params) -> Result<Self, ServeError> {
        Self::open(settings, clock, params, Purpose::Serve).await
    }

    async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        params: Params,
        purpose: Purpose,
    ) -> Result<Self, ServeError> {
        let certificate = Certificate::load(&settings.tls)?;
        let breaches = settings.passwords.breached_passwords_file.as_deref().map(Breaches::open).transpose()?;
        let passwords = PasswordRules { policy: settings.passwords.policy()?, breaches };
        let store = store::open(&settings.database_url, purpose).await?;
        let Signing { current, previous, is_new } = secret::find(settings)?;
        if is_new && store.list_accounts(None, 1).await? != Listed::default() {
            tracing::warn!(
                event = "secret",
                result = "made",
                "the database has accounts and had no secret beside it: all are signed out. A database that was moved or \
                 restored needs its -secret file, too"
            );
        }
        let signing: Vec<_> = std::iter::once(&current).chain(&previous).collect();
        let watch_credentials = secret::watch_credentials(settings, &signing)?;
        let keyring = Keyring::new(&current, previous.as_ref());
        let tokens = Tokens::new(keyring, Arc::clone(&clock), settings.session_max_lifetime);
        let tokens = tokens.with_skew(settings.clock_skew);
        let warn = |warning: &str| tracing::warn!(event = "kernel", "{warning}");
        let kernel = settings.hash_kernel.kernel(warn).map_err(HashError::Kernel)?;
        let hasher = PasswordHasher::start(params, kernel, settings.hash_threads(), settings.hash_queue)?;
        let revocations = Revocations::fed(Arc::clone(&clock), settings.revocation_staleness);
        let revocations = Arc::new(revocations.with_skew(settings.clock_skew));
        // Tokens are minted and judged by this machine's. Whatever is stored is read by other replicas, too.
        let clock: Arc<dyn Clock> = Arc::new(ReferenceClock::of(&revocations));
        let health = Health::serving().await;
        let rules = Rules {
            passwords,
            registration_open: settings.registration_open(),
            require_verified_email: settings.require_verified_email,
            username_token_lifetime: settings.username_token_lifetime,
            email_token_lifetime: settings.email_token_lifetime,
            session_max_lifetime: settings.session_max_lifetime,
        };
        let activity = Arc::new(Activity::new(Arc::clone(&clock)));
        let post = mail::post(settings, Arc::clone(&store), Arc::clone(&clock))?;
        let per_hour = PerHour {
            login_failures: settings.budgets.login_failures_per_address,
            registrations: settings.budgets.registrations_per_address,
            mail_requests: settings.budgets.mail_requests_per_address,
        };
        let accounts = Accounts::new(accounts::Parts {
            store: Arc::clone(&store),
            hasher: hasher.clone(),
            tokens: tokens.clone(),
            revocations: Arc::clone(&revocations),
            activity: Arc::clone(&activity),
            budgets: Arc::new(Budgets::new(per_hour, &clock)),
            clock: Arc::clone(&clock),
            rules,
        });
        let audit = Arc::clone(accounts.trail());
        let feed = feed::Feed::load(
            Arc::clone(&store),
            Arc::clone(&revocations),
            Arc::clone(&clock),
            health.clone(),
            Arc::clone(accounts.known()),
        )
        .await?;
        let calls = settings.metrics_addr.map(|_| Arc::new(grpc::meter()));
        let stack = grpc::stack(grpc::StackParts {
            accounts,
            tokens,
            revocations: Arc::clone(&revocations),
            activity: Arc::clone(&activity),
            health: health.reporter(),
            watch_credentials,
            reflection: settings.grpc_reflection,
            meter: calls.clone(),
        })?;
        let in_process = stack.clone();
        let rest = Rest::new(Rpc::new(move |request| in_process.clone().call(request)), settings.api_docs)?;
        let meters = calls.map(|calls| Meters { calls, answers: Arc::new(edge::meter(&rest)) });
        let answers = meters.as_ref().map(|meters| Arc::clone(&meters.answers));
        let proxies = settings.proxies.trusted_proxies.clone();
        let bounds = Arc::new(Bounds::new(&settings.bounds, proxies.clone()));
        let cors = Cors::new(&settings.cors);
        let service = Edge::new(stack, rest, cors, proxies, Arc::clone(&bounds), answers);
        let (audit_retention, public_url) = (settings.audit.audit_retention, settings.mail.public_url.clone());
        Ok(Self {
            service,
            hasher,
            meters,
            certificate,
            bounds,
            health,
            feed,
            revocations,
            activity,
            audit,
            audit_retention,
            store,
            post,
            public_url,
        })
    }

    /// Serves connections from `listener` until `stop`, then drains: no new connections, health says NOT_SERVING, calls
    /// under way end or are cut off at the drain deadline.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        limits: Limits,
    ) -> Result<(), ServeError> {
        let workers = Workers::start(limits.threads).map_err(ServeError::Threads)?;
        // To the end of the drain: calls under way are still answered, and their tokens judged.
        let following = tokio::spawn(self.feed.follow());
        let trying = tokio::spawn(writable::follow(Arc::clone(&self.store), self.health.clone()));
        let telling = tokio::spawn(refusals::tell(self.hasher, Arc::clone(&self.bounds)));
        let last_tokens = last_tokens::Writer::start(self.store.clone(), self.activity);
        let trail =
            trail::Writer::start(self.store.clone(), self.audit, Arc::clone(&self.revocations), self.audit_retention);
        let mail = mail::start(self.post, self.public_url, &listener, self.certificate.is_some());
        let stop_mail = mail.stopper();
        let tls = self.certificate.as_ref().map(|certificate| certificate.tls.clone());
        let rereading = self.certificate.map(|certificate| tokio::spawn(certificate.follow(limits.reread)));
        let (health, revocations) = (self.health, self.revocations);
        let (stopped, drain) = (Arc::new(OnceLock::new()), limits.drain);
        let stopping = Arc::clone(&stopped);
        let stop = async move {
            stop.await;
            let _ = stopping.set(Instant::now());
            health.drain().await;
            stop_mail.stop();
            // Watches have no end of their own that the drain could wait for.
            revocations.publisher().close();
        };
        let rules = ConnectionRules { limits, tls, bounds: Some(self.bounds) };
        listener::serve(listener, self.service, stop, rules, &workers).await;
        if let Some(rereading) = rereading {
            rereading.abort();
        }
        // It was told at the beginning of the drain.
        let gone = stopped.get().map_or(Duration::ZERO, Instant::elapsed);
        mail.finish(drain.min(TIME_FOR_MAIL).saturating_sub(gone)).await;
        tokio::join!(last_tokens.finish(), trail.finish());
        following.abort();
        trying.abort();
        telling.abort();
        // Tidy, but not at any price: what is still being written now was acknowledged to nobody.
        let _ = tokio::time::timeout(TIME_TO_CLOSE, self.store.close()).await;
        Ok(())
    }
}

async fn listen(setting: &'static str, address: SocketAddr, scheme: &str) -> Result<(TcpListener, String), ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|cause| ServeError::Listen(setting, address, cause))?;
    let url = format!("{scheme}://{}", listener.local_addr().unwrap_or(address));
    Ok((listener, url))
}

/// As many connections as the system lets this process have: the usual limit of 1,024 is for programs that use `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(cause = &error as &dyn std::error::Error, "the limit of open files stays as it is");
    }
}
