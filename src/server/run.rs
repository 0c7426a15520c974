//! The server process: opens the ports, logs the start, serves until a signal. Separate from [`App`], which tests serve
//! as well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::app::App;
use super::error::ServeError;
use super::{metrics, signing_key, supervisor};
use crate::accounts;
use crate::config::{AllowedOrigin, ServeArgs, Settings};
use crate::transport::{self, ConnectionRules, Limits, Workers};
use countersign_guard::clock::SystemClock;

/// The longest shutdown: a little less than the ten seconds that the documentation promises. Nothing is lost at this
/// limit but calls that were not answered, because what was acknowledged is in the database.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(9_800);

/// The files that are open beside those of clients: the database, the log, threads.
const OTHER_FILES: u64 = 100;

/// Serves by the machine's clock until SIGTERM or SIGINT.
pub async fn run(settings: &Settings, args: &ServeArgs) -> Result<(), ServeError> {
    let mut hangups = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    let mut signalled = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    // The database may be awaited for a long time.
    let app = tokio::select! {
        app = App::open(settings, Arc::new(SystemClock), settings.hash_params.clone(), args) => app?,
        () = signalled() => {
            tracing::info!(event = "stop", "the server was stopped before it served anything");
            return Ok(());
        }
        () = answer_hangups(&mut hangups, None) => return Ok(()),
    };
    let open_files = raise_descriptor_limit();
    let reread = app.certificate.as_ref().map(|certificate| Arc::clone(&certificate.reread));
    tokio::spawn(async move { answer_hangups(&mut hangups, reread).await });
    let scheme = if app.certificate.is_some() { "https" } else { "http" };
    let (listener, url) = listen("LISTEN_ADDR", settings.listen_addr, scheme)?;
    serve_metrics(settings, &app).await?;
    signing_key::claim(&*app.store, &app.secrets, args.accept_new_secret).await?;
    tokio::spawn(signing_key::follow(Arc::clone(&app.store), &app.secrets));
    log_start(settings, &app, &url);
    warn_of_machine(settings, open_files);
    let audit = Arc::clone(&app.audit);
    audit.started();
    tokio::spawn(accounts::log_misnamed(Arc::clone(&app.store)));
    let (health, delay) = (app.health.clone(), settings.shutdown_delay);
    let (bounds, most) = (Arc::clone(&app.bounds), settings.bounds.max_connections);
    let is_full = move || bounds.connections.now() >= most;
    tokio::spawn(supervisor::report(listener.local_addr().unwrap_or(settings.listen_addr), is_full));
    let stop = async {
        signalled().await;
        supervisor::report_stop();
        audit.stopped();
        if !delay.is_zero() {
            tracing::info!(event = "stop", result = "announced", delay_s = delay.as_secs());
            health.announce_end();
            // A second signal ends the delay.
            let _ = tokio::time::timeout(delay, signalled()).await;
        }
        limit_shutdown();
    };
    let (connections, age) = (settings.bounds.max_connections, settings.bounds.max_connection_age);
    app.serve(listener, stop, Limits { connections, age, ..Limits::default() }).await?;
    tracing::info!(event = "stop");
    Ok(())
}

/// Answers SIGHUP, by which many tools ask a server to read its files again. Without this it would end the process.
async fn answer_hangups(hangups: &mut Signal, reread: Option<Arc<Notify>>) {
    while hangups.recv().await.is_some() {
        match &reread {
            Some(reread) => {
                tracing::info!(event = "hangup", "SIGHUP: the files of TLS are read again; settings need a restart");
                reread.notify_one();
            }
            None => tracing::info!(event = "hangup", "SIGHUP: nothing is read again; settings need a restart"),
        }
    }
}

/// Ends the process at [`SHUTDOWN_LIMIT`], from a thread of its own: on a busy machine, the others may be late.
fn limit_shutdown() {
    let end = || {
        std::thread::sleep(SHUTDOWN_LIMIT);
        tracing::warn!(event = "stop", result = "cut off", "the machine was too busy to end all work in time");
        std::process::exit(0);
    };
    if let Err(error) = std::thread::Builder::new().name("shutdown".to_owned()).spawn(end) {
        tracing::warn!(cause = &error as &dyn std::error::Error, "the time of the shutdown is not limited");
    }
}

/// Serves `/metrics` on its own port until the process ends, so that the drain can be observed as well. It runs on this
/// thread, which has little else to do: metrics must be answered while the other threads are busy.
async fn serve_metrics(settings: &Settings, app: &App) -> Result<(), ServeError> {
    let (Some(address), Some(meters)) = (settings.metrics_addr, &app.meters) else { return Ok(()) };
    let (listener, url) = listen("METRICS_ADDR", address, "http")?;
    tracing::info!(event = "metrics", url = format!("{url}/metrics"));
    let (revocations, bounds) = (Arc::clone(&app.revocations), Arc::clone(&app.bounds));
    let metrics = metrics::router(revocations, app.hasher.clone(), bounds, meters.clone());
    let here = Workers::start(0).map_err(ServeError::Threads)?;
    tokio::spawn(async move {
        let rules = ConnectionRules { limits: Limits::default(), tls: None, bounds: None, large_head: None };
        transport::serve(listener, metrics, std::future::pending(), rules, &here).await;
    });
    Ok(())
}

/// Logs the start, and warns of settings that a public service should not have.
fn log_start(settings: &Settings, app: &App, url: &str) {
    if !matches!(settings.allow_registration.as_str(), "true" | "false") {
        tracing::warn!("ALLOW_REGISTRATION is neither true nor false: registration is closed");
    }
    if settings.cors.cors_allowed_origins.contains(&AllowedOrigin::Any) {
        tracing::warn!("CORS_ALLOWED_ORIGINS is *: any web page may call");
    }
    let kernel = app.hasher.kernel();
    let registration = if settings.registration_open() { "open" } else { "closed" };
    tracing::info!(event = "start", version = env!("CARGO_PKG_VERSION"), url, registration, %kernel);
    if settings.passwords.is_contract() {
        tracing::warn!(
            event = "policy",
            "PASSWORD_POLICY is contract, which accepts short and common passwords: asvs-l1 or nist-800-63b-4 is better, and \
             does not affect passwords that are already set"
        );
    }
}

/// Warns of what the machine allows too much or too little of.
fn warn_of_machine(settings: &Settings, open_files: Option<u64>) {
    let needed = settings.bounds.max_connections as u64 + OTHER_FILES;
    if let Some(limit) = open_files.filter(|limit| *limit < needed) {
        tracing::warn!(
            event = "limits",
            limit,
            needed,
            "the limit of open files (ulimit -n, LimitNOFILE) is too low for MAX_CONNECTIONS: raise it, or lower \
             MAX_CONNECTIONS"
        );
    }
    if !settings.listen_addr.ip().to_canonical().is_loopback()
        && settings.tls.tls_cert_file.is_none()
        && settings.proxies.trusted_proxies.is_empty()
    {
        tracing::warn!(
            event = "tls",
            "LISTEN_ADDR can be reached from other machines and there is no TLS, so passwords and tokens travel unencrypted: \
             set TLS_CERT_FILE and TLS_KEY_FILE; or, if a proxy terminates TLS, set TRUSTED_PROXIES"
        );
    }
    for (setting, path) in settings.readable_secret_files() {
        let path = path.display();
        tracing::warn!(event = "secret", setting, %path, "every user of this machine can read the file of {setting}: chmod 600");
    }
}

/// Binds the address of `setting`. Returns the URL that the listener can be reached by.
fn listen(setting: &'static str, address: SocketAddr, scheme: &str) -> Result<(TcpListener, String), ServeError> {
    let listener = transport::listen(address).map_err(|cause| ServeError::Listen(setting, address, cause))?;
    let url = format!("{scheme}://{}", listener.local_addr().unwrap_or(address));
    Ok((listener, url))
}

/// Raises the limit of open files to what the system allows, and returns it if there is one. The usual limit of 1,024
/// is for programs that use `select`.
fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(cause = &error as &dyn std::error::Error, "the limit of open files cannot be raised");
        return before;
    }
    limit.maximum
}
