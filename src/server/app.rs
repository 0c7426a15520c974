//! The parts of the server, made from the settings and connected to each other, and their life from the first
//! connection to the end of the drain.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use argon2::Params;
use tokio::net::TcpListener;
use tower::Service as _;

use super::error::ServeError;
use super::mail;
use super::metrics::Meters;
use super::secret::{self, SecretSourceError, SigningSecrets};
use super::{database, signing_key, token_keys};

use crate::accounts::{AccountRules, Accounts, AccountsParts, Audit, PasswordRules};
use crate::activity::Activity;
use crate::breaches::Breaches;
use crate::budgets::{Budgets, PerHour};
use crate::config::{ServeArgs, Settings};
use crate::grpc;
use crate::hashing::{HashError, PasswordHasher};
use crate::jobs::{self, AuditWriter, FeedParts, Health, RevocationFeed, SessionTimesWriter};
use crate::keys::TokenKeys;
use crate::mail::{Post, PublicUrl};
use crate::meter::Meter;
use crate::rest::{Document, Rest, Rpc, WellKnown};
use crate::store::{Purpose, Store};
use crate::transport::{
    self, Bounds, Certificate, ConnectionRules, Cors, LargeHeadAnswer, Limits, RequestRouter, Workers,
};
use countersign_guard::clock::Clock;
use countersign_guard::revocations::{ReferenceClock, Revocations};
use countersign_guard::token::{Keyring, Tokens};

/// The deadline for closing the database, after the drain.
const CLOSE_DEADLINE: Duration = Duration::from_millis(200);

/// The deadline for mail that is being sent, from the beginning of the drain. Mail that is not sent by then stays
/// queued in the database.
const MAIL_DEADLINE: Duration = Duration::from_secs(3);

/// The server, ready to serve connections.
pub struct App {
    /// Answers all requests of clients.
    pub service: RequestRouter,
    /// The password lane, which tests inspect.
    pub hasher: PasswordHasher,
    pub(super) meters: Option<Meters>,
    pub(super) certificate: Option<Certificate>,
    pub(super) bounds: Arc<Bounds>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) audit: Arc<Audit>,
    pub(super) store: Arc<dyn Store>,
    pub(super) secrets: SigningSecrets,
    pub(super) health: Health,
    feed: RevocationFeed,
    keys: Arc<TokenKeys>,
    activity: Arc<Activity>,
    audit_retention: Duration,
    post: Post,
    public_url: Option<PublicUrl>,
}

impl App {
    /// Opens the database, reads the live revocations, and builds the stack of the RPCs with the JSON APIs on top.
    /// Hashes have the cost `params` instead of the setting's, because tests have no time for that.
    pub async fn build(settings: &Settings, clock: Arc<dyn Clock>, params: Params) -> Result<Self, ServeError> {
        Self::open(settings, clock, params, &ServeArgs::default()).await
    }

    pub(super) async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        params: Params,
        args: &ServeArgs,
    ) -> Result<Self, ServeError> {
        let certificate = Certificate::load(&settings.tls)?;
        let rules = account_rules(settings)?;
        let url = settings.database_url().map_err(SecretSourceError::from)?;
        let purpose = if args.new_database { Purpose::ServeNew } else { Purpose::Serve };
        let store = database::open(&url, purpose, settings.database.database_wait).await?;
        let secrets = signing_key::find(settings, &url, &*store, args.accept_new_secret).await?;
        let tokens = tokens(settings, &secrets, &clock)?;
        let credentials = secret::service_credentials(settings, &secrets)?;
        let hasher = hasher(settings, params)?;
        let revocations = Revocations::fed(Arc::clone(&clock), settings.revocation_staleness);
        let revocations = Arc::new(revocations.with_skew(settings.clock_skew));
        // Tokens are minted and verified by the clock of this machine. Times in the database are read by other replicas
        // too, and go by the clock that all share.
        let clock: Arc<dyn Clock> = Arc::new(ReferenceClock::of(&revocations));
        if let Some(time) = store.time().await? {
            revocations.compare(time, clock.elapsed());
        }
        let signing = (tokens.clone(), Arc::clone(&clock));
        let (introspects, accept_new) = (!credentials.introspection.is_empty(), args.accept_new_secret);
        let master = token_keys::master(settings, &url, &*store, accept_new).await?;
        let keys =
            token_keys::open(settings, &store, &secrets, signing, introspects, accept_new, master.as_ref()).await?;
        let health = Health::new();
        let activity = Arc::new(Activity::new(Arc::clone(&clock)));
        let post = mail::post(settings, Arc::clone(&store), Arc::clone(&clock))?;
        let accounts = Accounts::new(AccountsParts {
            store: Arc::clone(&store),
            hasher: hasher.clone(),
            tokens: tokens.clone(),
            keys: Arc::clone(&keys),
            master,
            revocations: Arc::clone(&revocations),
            activity: Arc::clone(&activity),
            budgets: Arc::new(Budgets::new(per_hour(settings), &clock)),
            clock: Arc::clone(&clock),
            rules,
        });
        let (audit, cache) = (Arc::clone(accounts.audit_queue()), Arc::clone(accounts.cache()));
        let feed = RevocationFeed::load(FeedParts {
            store: Arc::clone(&store),
            revocations: Arc::clone(&revocations),
            clock,
            health: health.clone(),
            cache,
            keys: Arc::clone(&keys),
        })
        .await?;
        let calls = settings.metrics_addr.map(|_| Arc::new(grpc::meter()));
        let stack = grpc::stack(grpc::StackParts {
            accounts,
            tokens,
            revocations: Arc::clone(&revocations),
            activity: Arc::clone(&activity),
            health: health.serving(),
            watch_credentials: credentials.watch,
            introspection_credentials: credentials.introspection,
            reflection: settings.grpc_reflection,
            ext_authz: settings.ext_authz,
            meter: calls.clone(),
            keys: Arc::clone(&keys),
        })?;
        let bounds = Arc::new(Bounds::new(&settings.bounds, settings.proxies.trusted_proxies.clone()));
        let (service, meters) = service(settings, stack, Arc::clone(&bounds), calls, &keys)?;
        let (audit_retention, public_url) = (settings.audit.audit_retention, settings.mail.public_url.clone());
        Ok(Self {
            service,
            hasher,
            meters,
            certificate,
            bounds,
            revocations,
            audit,
            store,
            secrets,
            health,
            feed,
            keys,
            activity,
            audit_retention,
            post,
            public_url,
        })
    }

    /// Serves connections from `listener` until `stop`, then drains: no new connections are accepted, health reports
    /// NOT_SERVING, and calls in progress end or are cut off at the drain deadline.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        limits: Limits,
    ) -> Result<(), ServeError> {
        let workers = Workers::start(limits.threads).map_err(ServeError::Threads)?;
        // These run to the end of the drain, because calls in progress are still answered and their tokens verified.
        let feed = tokio::spawn(self.feed.follow());
        let write_probe = tokio::spawn(jobs::probe_writes(Arc::clone(&self.store), self.health.clone()));
        let keys = tokio::spawn(jobs::keep_keys(self.keys, Arc::clone(&self.audit)));
        let hash_costs = tokio::spawn(jobs::follow_hash_costs(Arc::clone(&self.store), self.hasher.clone()));
        let refusal_log = tokio::spawn(jobs::log_refusals(self.hasher, Arc::clone(&self.bounds)));
        let session_times = SessionTimesWriter::start(Arc::clone(&self.store), self.activity);
        let audit_writer = AuditWriter::start(
            Arc::clone(&self.store),
            self.audit,
            Arc::clone(&self.revocations),
            self.audit_retention,
        );
        let mail = mail::start(self.post, self.public_url, &listener, self.certificate.is_some());
        let stop_mail = mail.stopper();
        let tls = self.certificate.as_ref().map(|certificate| certificate.tls.clone());
        let times = Arc::clone(&self.revocations);
        let follow = |certificate: Certificate| certificate.follow(limits.reread, move || times.time());
        let reloading = self.certificate.map(|certificate| tokio::spawn(follow(certificate)));
        let (health, revocations) = (self.health, self.revocations);
        let (stopped, drain) = (Arc::new(OnceLock::new()), limits.drain);
        let stopping = Arc::clone(&stopped);
        let stop = async move {
            stop.await;
            let _ = stopping.set(Instant::now());
            health.drain();
            stop_mail.stop();
            // Watches never end by themselves, so the drain would wait for them.
            revocations.publisher().close();
        };
        let router = self.service.clone();
        let large_head: LargeHeadAnswer = Arc::new(move |start| router.refuse_large_head(start));
        let rules = ConnectionRules { limits, tls, bounds: Some(self.bounds), large_head: Some(large_head) };
        transport::serve(listener, self.service, stop, rules, &workers).await;
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        // The worker was stopped at the beginning of the drain.
        let since_stop = stopped.get().map_or(Duration::ZERO, Instant::elapsed);
        mail.finish(drain.min(MAIL_DEADLINE).saturating_sub(since_stop)).await;
        tokio::join!(session_times.finish(), audit_writer.finish());
        feed.abort();
        write_probe.abort();
        refusal_log.abort();
        hash_costs.abort();
        keys.abort();
        // No caller was told that a write which is cut off here has succeeded.
        let _ = tokio::time::timeout(CLOSE_DEADLINE, self.store.close()).await;
        Ok(())
    }
}

fn account_rules(settings: &Settings) -> Result<AccountRules, ServeError> {
    let breaches = settings.passwords.breached_passwords_file.as_deref().map(Breaches::open).transpose()?;
    Ok(AccountRules {
        passwords: PasswordRules { policy: settings.passwords.policy()?, breaches },
        registration_open: settings.registration_open(),
        require_verified_email: settings.require_verified_email,
        import_hash_cost: settings.import_hash_cost,
        username_token_lifetime: settings.username_token_lifetime,
        email_token_lifetime: settings.email_token_lifetime,
        session_max_lifetime: settings.session_max_lifetime,
        service: settings.mail.public_url.as_ref().map_or("Countersign", PublicUrl::host).to_owned(),
    })
}

/// Makes the part that signs and verifies tokens.
fn tokens(settings: &Settings, secrets: &SigningSecrets, clock: &Arc<dyn Clock>) -> Result<Tokens, ServeError> {
    let keyring = Keyring::new(&secrets.current, secrets.previous.as_ref());
    let tokens = Tokens::new(keyring, Arc::clone(clock), settings.session_max_lifetime).with_skew(settings.clock_skew);
    Ok(match settings.issuer()? {
        Some(issuer) => tokens.with_issuer(issuer, settings.tokens.token_audience.as_deref()),
        None => tokens,
    })
}

fn hasher(settings: &Settings, params: Params) -> Result<PasswordHasher, ServeError> {
    let warn = |warning: &str| tracing::warn!(event = "kernel", "{warning}");
    let kernel = settings.hash_kernel.kernel(warn).map_err(HashError::Kernel)?;
    Ok(PasswordHasher::start(params, kernel, settings.hash_threads(), settings.hash_queue())?)
}

fn per_hour(settings: &Settings) -> PerHour {
    PerHour {
        login_failures: settings.budgets.login_failures_per_address,
        registrations: settings.budgets.registrations_per_address,
        mail_requests: settings.budgets.mail_requests_per_address,
        introspection_failures: settings.budgets.introspection_failures_per_address,
    }
}

/// Makes the part that answers requests: the stack, and the JSON APIs that call it in process. `calls` counts RPCs if
/// there are metrics.
fn service(
    settings: &Settings,
    stack: grpc::Stack,
    bounds: Arc<Bounds>,
    calls: Option<Arc<Meter>>,
    keys: &Arc<TokenKeys>,
) -> Result<(RequestRouter, Option<Meters>), ServeError> {
    let (called, asked) = (stack.for_rest(), stack.clone());
    let rpc = Rpc::new(move |request| called.clone().call(request));
    let rpc = rpc.refused_by(move |path, headers, extensions| asked.refusal(path, headers, extensions));
    let keys = Arc::clone(keys);
    let well_known = WellKnown::new(settings.issuer()?, move |document| match document {
        Document::Jwks => Some(keys.published().jwks()),
        Document::Configuration => keys.published().configuration(),
    });
    let rest = Rest::new(rpc, settings.api_docs, well_known)?;
    let meters = calls.map(|calls| Meters { calls, answers: Arc::new(transport::meter(&rest)) });
    let answers = meters.as_ref().map(|meters| Arc::clone(&meters.answers));
    let (cors, proxies) = (Cors::new(&settings.cors), settings.proxies.trusted_proxies.clone());
    Ok((RequestRouter::new(stack, rest, cors, proxies, bounds, answers), meters))
}
