//! A PostgreSQL server for the tests, with a database for each test. The server is that of `TEST_POSTGRES_URL`, which
//! must name a superuser and ask for passwords, or else a throw-away one, made once a test process with the machine's
//! own `initdb`. Without either, the tests that need a server report on standard error that they are skipped; in CI
//! they fail.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use uuid::Uuid;

/// The superuser of a throw-away server. The server listens on this machine only, but the machine may have other users.
const USER: &str = "countersign";

/// The password of the users that [`Database::url_as`] makes.
pub const PASSWORD: &str = "hunter2hunter2";

static SERVER: OnceLock<Option<Arc<Server>>> = OnceLock::new();

struct Server {
    /// The URL of an existing database, which tests must not write to.
    url: String,
    /// The watcher of a throw-away server, and `None` for the server of the environment.
    watcher: Option<Mutex<Watcher>>,
    certificate: Option<PathBuf>,
}

/// A process that restarts the server for every line that it reads. It stops the server and removes its files when its
/// standard input ends: when the last user drops it, or when this process ends.
struct Watcher {
    child: Child,
    says: BufReader<ChildStdout>,
}

/// An empty database, which is dropped at the end.
pub struct Database {
    pub name: String,
    server: Arc<Server>,
}

impl Database {
    /// Creates a database. Returns `None` without a server, after it has reported that the test is skipped.
    pub async fn create() -> Option<Self> {
        // Starting a server blocks, so it runs on a thread that may wait.
        let find = || SERVER.get_or_init(|| Server::find().map(Arc::new)).clone();
        Self::on(tokio::task::spawn_blocking(find).await.unwrap()).await
    }

    /// As [`Self::create`], on a throw-away server for this test alone, which can be [restarted](Self::crash).
    pub async fn create_alone() -> Option<Self> {
        let start = || Some(Arc::new(Server::start_one(&bin()?)));
        Self::on(tokio::task::spawn_blocking(start).await.unwrap()).await
    }

    async fn on(server: Option<Arc<Server>>) -> Option<Self> {
        let Some(server) = server else {
            assert!(var("CI").is_none(), "PostgreSQL tests must not be skipped in CI: install initdb");
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            // Written to standard error directly, because the test harness hides what is printed.
            let _ = writeln!(std::io::stderr(), "SKIPPED, for there is no PostgreSQL server and no initdb: {test}");
            return None;
        };
        let name = format!("countersign_test_{}", Uuid::from_u128(random()).simple());
        let database = Self { name, server };
        let mut connection = database.administer().await;
        let version = "select current_setting('server_version_num')::int";
        let version: i32 = sqlx::query_scalar(version).fetch_one(&mut connection).await.unwrap();
        // Since version 15 a server logs every block of the new database by default, which takes three times as long.
        let strategy = if version >= 150_000 { "strategy file_copy" } else { "" };
        let create = format!("create database {} {strategy}", database.name);
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        Some(database)
    }

    /// The URL for `DATABASE_URL`.
    pub fn url(&self) -> String {
        let (server, query) = self.server.url.split_once('?').unwrap_or((&self.server.url, ""));
        let (address, _) = server.rsplit_once('/').unwrap();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{address}/{}{separator}{query}", self.name)
    }

    /// The URL for a new user with these `attributes`, such as `superuser`.
    pub async fn url_as(&self, user: &str, attributes: &str) -> String {
        let user = self.user(user);
        self.admin(&format!("create role {user} login password '{PASSWORD}' {attributes}")).await;
        let (_, rest) = self.url().split_once('@').map(|(_, rest)| ((), rest.to_owned())).unwrap();
        format!("postgres://{user}:{PASSWORD}@{rest}")
    }

    /// The full name of a user. A server has one list of users for all databases.
    pub fn user(&self, user: &str) -> String {
        format!("{}_{user}", self.name)
    }

    /// The URL with one more parameter.
    pub fn with(url: &str, parameter: &str) -> String {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}{parameter}")
    }

    /// The self-signed certificate of a throw-away server, or `None` if it has none.
    pub fn certificate(&self) -> Option<PathBuf> {
        Some(self.server.certificate.clone()?).filter(|file| file.exists())
    }

    /// A direct connection to the database.
    pub async fn connect(&self) -> PgConnection {
        self.try_connect().await.unwrap()
    }

    /// As [`Self::connect`], for a server that may be unavailable.
    pub async fn try_connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::from_str(&self.url()).unwrap().connect().await
    }

    /// A connection of the superuser to another database.
    async fn administer(&self) -> PgConnection {
        PgConnectOptions::from_str(&self.server.url).unwrap().connect().await.unwrap()
    }

    /// Runs a statement as the superuser, connected to another database.
    pub async fn admin(&self, statement: &str) {
        let mut connection = self.administer().await;
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Ends every connection of a user and lets no new one in.
    pub async fn cut_off(&self, user: &str) {
        self.admin(&format!("alter role {} nologin", self.user(user))).await;
        let user = self.user(user);
        self.admin(&format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{user}'")).await;
    }

    /// Ends [`Self::cut_off`] for a user.
    pub async fn let_in(&self, user: &str) {
        self.admin(&format!("alter role {} login", self.user(user))).await;
    }

    /// Crashes the server and starts it again. All connections end, and the server recovers from its log. Only for a
    /// server that no other test uses.
    pub async fn crash(&self) {
        let server = Arc::clone(&self.server);
        let restarted = tokio::task::spawn_blocking(move || {
            let mut watcher = server.watcher.as_ref().expect("a server of our own").lock().unwrap();
            writeln!(watcher.child.stdin.as_ref().unwrap(), "restart").unwrap();
            watcher.is_ready()
        });
        assert!(restarted.await.unwrap(), "the server did not come back");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The database of a failed test is dropped, too. A thread does it, because `drop` is not async.
        let (server, name) = (Arc::clone(&self.server), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnectOptions::from_str(&server.url).unwrap().connect().await?;
                connection.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await?;
                let users = "select rolname::text from pg_roles where starts_with(rolname, $1)";
                for user in sqlx::query_scalar::<_, String>(users).bind(&name).fetch_all(&mut connection).await? {
                    connection.execute(AssertSqlSafe(format!("drop role {user}"))).await?;
                }
                Ok::<_, sqlx::Error>(())
            })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} was not dropped", self.name);
        }
    }
}

impl Server {
    fn find() -> Option<Self> {
        if let Some(url) = var("TEST_POSTGRES_URL") {
            return Some(Self { url, watcher: None, certificate: None });
        }
        Some(Self::start_one(&bin()?))
    }

    /// The port is free when it is chosen, and another process may take it before the server does.
    fn start_one(bin: &Path) -> Self {
        let started = (0..5).find_map(|_| Self::start(bin));
        started.unwrap_or_else(|| panic!("a throw-away PostgreSQL server does not start"))
    }

    fn start(bin: &Path) -> Option<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("countersign-pg-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let password = Uuid::from_u128(random()).simple().to_string();
        fs::write(dir.join("password"), &password).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

        // The server refuses to run as root.
        let postgres = (fs::metadata(&dir).unwrap().uid() == 0).then(|| user_id("postgres"));
        let mut script = match postgres {
            Some((uid, gid)) => {
                for path in [&dir, &dir.join("password")] {
                    chown(path, Some(uid), Some(gid)).unwrap();
                }
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "sh"]);
                command
            }
            None => Command::new("sh"),
        };
        // Standard input ends when this process ends, whatever the cause. A separate process group keeps Ctrl-C from
        // the server.
        let mut child = script
            .args(["-c", SCRIPT, "sh"])
            .arg(bin)
            .arg(&dir)
            .args([&port.to_string(), USER])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let mut watcher = Watcher { child, says };
        let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres");
        watcher.is_ready().then(|| {
            let certificate = Some(dir.join("data/server.crt"));
            Self { url, watcher: Some(Mutex::new(watcher)), certificate }
        })
    }
}

impl Watcher {
    /// Waits until the server is ready. Returns `false` if it ended instead.
    fn is_ready(&mut self) -> bool {
        let mut said = String::new();
        self.says.read_line(&mut said).unwrap();
        said == "ready\n"
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Waits until everything is removed. Does not run for the shared server, because statics are not dropped.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Makes the server, reports when it is ready, restarts it for every line of input, and removes it at the end of input.
/// `fsync` only helps when the machine loses power.
const SCRIPT: &str = r#"
bin=$1 dir=$2 port=$3 user=$4
trap 'rm -rf "$dir"' EXIT
{
    "$bin/initdb" --pgdata="$dir/data" --username="$user" --pwfile="$dir/password" --auth=scram-sha-256 \
        --encoding=UTF8 --no-locale --no-sync &&
    if command -v openssl >/dev/null; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
            -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:false \
            -keyout "$dir/data/server.key" -out "$dir/data/server.crt" &&
        chmod 600 "$dir/data/server.key" &&
        echo "ssl = on" >>"$dir/data/postgresql.conf"
    fi &&
    "$bin/pg_ctl" --pgdata="$dir/data" --wait --log="$dir/log" --options="-k '$dir' -p $port \
        -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 -c shared_buffers=32MB" start
} >"$dir/made" 2>&1 || { cat "$dir/made" "$dir/log" >&2; exit 1; }
echo ready
while read -r restart; do
    "$bin/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait --log="$dir/log" restart >"$dir/made" 2>&1 &&
        echo ready || exit 1
done
"$bin/pg_ctl" --pgdata="$dir/data" --mode=immediate stop >"$dir/made" 2>&1
"#;

/// The folder of the server's programs: the newest of Debian's, or one of the path.
fn bin() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort_by_key(|bin| bin.iter().nth(4).and_then(|version| version.to_str()?.parse::<u32>().ok()));
    let path = var("PATH").unwrap_or_default();
    let on_path = || {
        let linked = env::split_paths(&path).find(|folder| folder.join("initdb").exists())?.join("initdb");
        Some(linked.canonicalize().ok()?.parent()?.to_owned())
    };
    versions.pop().or_else(on_path)
}

fn user_id(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with(&format!("{name}:")));
    let fields: Vec<_> = user.unwrap_or_else(|| panic!("no user {name} to run a server as")).split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "which server to test with is no setting of the product")]
fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    u128::from_ne_bytes(bytes)
}
