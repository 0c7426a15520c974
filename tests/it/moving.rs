//! `countersign migrate-store` as the real binary, from each engine to each: everything arrives unchanged. Refused and
//! interrupted moves are in `failing` and `older`.

mod failing;
mod older;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use countersign::pb::ListSessionsRequest;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::store::{self, Purpose, TABLES};
use countersign_guard::revocations::Revocation;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use time::OffsetDateTime;
use tonic::transport::Endpoint;
use uuid::Uuid;

use crate::session_service::with;
use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Binary, PASSWORD, SECRET};

/// The longest username, in a letter of four bytes.
const LONGEST: &str = "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀";

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn copying(dir: &Path, from: &str, to: &str) -> Command {
    let mut copying = command(dir);
    copying.args(["migrate-store", "--from", from, "--to", to]);
    copying
}

/// Moves everything, and returns the printed table and the advice.
fn moves(dir: &Path, from: &str, to: &str) -> (String, String) {
    let Output { status, stdout, stderr } = run(&mut copying(dir, from, to), "");
    let (said, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!((status.code(), &*complaint), (Some(0), ""), "{said}");
    let (table, advice) = said.split_once("\n\n").unwrap();
    (table.to_owned(), advice.to_owned())
}

pub async fn behind(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap()
}

/// A database file of this version, after these `statements`.
async fn filled(dir: &Path, name: &str, statements: &[&'static str]) -> PathBuf {
    let path = dir.join(name);
    store::open(&sqlite(&path), Purpose::Operate).await.unwrap().close().await;
    let mut connection = behind(&path).await;
    for statement in statements {
        connection.execute(*statement).await.unwrap();
    }
    connection.close().await.unwrap();
    path
}

/// The tables and columns in SQLite's own schema, without SQLite's own tables.
async fn columns(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    sqlx::query_as(
        "select tables.name, columns.name from sqlite_schema as tables join pragma_table_info(tables.name) as columns
         where tables.type = 'table' and tables.name not in ('_sqlx_migrations', 'sqlite_sequence')",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

/// Every value of every column, in the order of the keys.
async fn dump(path: &Path) -> Vec<(String, String, Vec<String>)> {
    let mut connection = behind(path).await;
    let mut dump = Vec::new();
    for (table, column) in columns(&mut connection).await {
        let key = TABLES.iter().find(|moved| moved.name == table).unwrap().columns[0].name;
        let select = format!("select quote({column}) from {table} order by {key}");
        let values = sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
        dump.push((table, column, values));
    }
    dump
}

/// More than a thousand rows in each table, with random ids and unusual values.
const MANY: [&str; 9] = [
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1001)
     insert into firms select randomblob(16), 'Firm ' || i, i from n",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2345)
     insert into accounts (id, username, password_hash, created_at, epoch)
     select randomblob(16), 'user ' || i, '$argon2id$', -i, 9223372036854775807 from n",
    "insert into sessions select randomblob(16), id, 3, 4, 5, 6, 7, '', null from accounts",
    "insert into revocations (seq, session_id, expires_at) select 3 * rowid + 7, id, 4102444800000 from sessions",
    "insert into outbox (id, kind, recipient, subject, queued_at, due_at, asked_at, cause)
     select randomblob(16), 'verify_email', 'n' || rowid || '@example.com', zeroblob(16), 1, 2, 3, 'böse ' || rowid from sessions",
    "insert into invitations select randomblob(16), id, 'ada@example.com', 'user', null, 1, 2 from firms",
    "insert into tickets select lower(hex(randomblob(32))), 'verify_email', id, null, 'ada@example.com', 1, 2 from accounts",
    "insert into audit_events select randomblob(16), rowid, 'login', 'ok', id, id, null, '', null, 'session ' || rowid
     from sessions",
    "insert into attempts select lower(hex(randomblob(32))), rowid, -rowid, iif(rowid % 2, id, null) from sessions",
];

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_rows_arrive_page_by_page_and_the_places_of_revocations_go_on() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let [first, last] = [dir.path().join("first.db"), dir.path().join("last.db")];
    filled(dir.path(), "first.db", &MANY).await;
    let (there, _) = moves(dir.path(), &sqlite(&first), &database.url());
    let (back, _) = moves(dir.path(), &database.url(), &sqlite(&last));
    let lines: Vec<Vec<_>> = there.lines().map(|line| line.split_whitespace().collect()).collect();
    let (digest, counts) = lines.split_last().unwrap();
    let many = |table: &str| match table {
        "firms" | "invitations" => "1001",
        "accounts" | "sessions" | "revocations" | "attempts" | "outbox" | "tickets" | "audit_events" => "2345",
        _ => "0",
    };
    let expected: Vec<_> = TABLES.iter().map(|table| vec![table.name, many(table.name)]).collect();
    assert_eq!((&counts[0][..], &counts[1..]), (&["table", "rows"][..], &expected[..]));
    assert_eq!((digest[0], digest[1].len()), ("sha256", 64));
    assert_eq!(there, back);
    assert_eq!(dump(&first).await, dump(&last).await);

    for url in [database.url(), sqlite(&last)] {
        let store = store::open(&url, Purpose::Operate).await.unwrap();
        let at = |second| OffsetDateTime::from_unix_timestamp(second).unwrap();
        store.end_session(Uuid::from_u128(1), at(4_102_444_900)).await.unwrap();
        let told = store.revocations_after(3 * 2_345 + 7, at(0)).await.unwrap();
        assert_eq!(
            told.iter().map(|told| told.revocation).collect::<Vec<_>>(),
            [Revocation::Session(Uuid::from_u128(1))]
        );
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_every_column_of_the_schema_is_moved() {
    let moved: BTreeSet<_> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|column| (table.name.to_owned(), column.name.to_owned())))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path(), "empty.db", &[]).await;
    assert_eq!(columns(&mut behind(&path).await).await.into_iter().collect::<BTreeSet<_>>(), moved);

    let Some(database) = Database::create().await else { return };
    store::open(&database.url(), Purpose::Operate).await.unwrap().close().await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns
         where table_schema = current_schema() and table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    assert_eq!(columns.into_iter().collect::<BTreeSet<_>>(), moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_advice_names_the_secret_beside_the_source_and_never_tells_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), "source.db", &[]).await;
    let url = sqlite(&dir.path().join("source.db"));
    let (_, advice) = moves(dir.path(), &url, &sqlite(&dir.path().join("a.db")));
    assert!(advice.contains("set DATABASE_URL") && advice.contains("Keep JWT_SECRET"), "{advice}");

    let secret = dir.path().canonicalize().unwrap().join("source.db-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let (_, advice) = moves(dir.path(), &url, &sqlite(&dir.path().join("b.db")));
    assert!(advice.contains(&format!("the secret in {},", secret.display())), "{advice}");
    assert!(advice.contains("JWT_SECRET_FILE") && !advice.contains(SECRET), "{advice}");
}

/// The id, the address, and the time and the client of each session.
type Listed = Vec<(String, String, String)>;

/// What clients see of a server, compared before and after the move.
struct Clients {
    /// A token of a session that was logged out.
    out: String,
    /// The tokens of all live sessions, with the fields of `ListSessions` that do not change.
    signed_in: Vec<(String, Listed)>,
}

async fn post(binary: &Binary, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let answer = call(binary.address, Method::POST, path, &[("token", token)], body).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn me(binary: &Binary, token: &str) -> StatusCode {
    call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap().status
}

async fn sessions(binary: &Binary, token: &str) -> Listed {
    let endpoint = Endpoint::from_shared(format!("http://{}", binary.address)).unwrap();
    let mut client = SessionServiceClient::new(endpoint.connect().await.unwrap());
    let listed = client.list_sessions(with(token, ListSessionsRequest::default())).await.unwrap().into_inner();
    let told = |session: countersign::pb::Session| {
        (session.id, session.client_address, format!("{:?} {}", session.create_time, session.client_label))
    };
    listed.sessions.into_iter().map(told).collect()
}

impl Clients {
    /// Makes accounts of both kinds, one of them disabled and one deleted, and sessions, some of them ended.
    async fn sign_in(binary: &Binary, dir: &Path) -> Self {
        let mut tokens = Vec::new();
        for name in ["alice", "mañana ß", LONGEST, "disabled", "deleted"] {
            let body = json!({ "username": name, "password": PASSWORD });
            let (status, answer) = post(binary, "/api/auth/register", "", &body).await;
            assert_eq!(status, StatusCode::OK, "{name}: {answer}");
            tokens.push(answer["token"].as_str().unwrap().to_owned());
        }
        for (email, role) in [("ada@example.com", "admin"), ("eve@example.com", "viewer")] {
            let name = "Zoë 'the' \"first\"; --";
            let body = json!({ "email": email, "password": PASSWORD, "name": name, "firm_name": format!("{role} 🦄") });
            assert_eq!(post(binary, "/auth/register", "", &body).await.0, StatusCode::CREATED);
            assert!(run(command(dir).args(["account", "role", email, role, "--force"]), "").status.success());
            let (_, answer) = post(binary, "/auth/login", "", &json!({ "email": email, "password": PASSWORD })).await;
            tokens.push(answer["access_token"].as_str().unwrap().to_owned());
        }
        let (_, answer) =
            post(binary, "/api/auth/login", "", &json!({ "username": "alice", "password": PASSWORD })).await;
        let out = answer["token"].as_str().unwrap().to_owned();
        assert_eq!(post(binary, "/auth/logout", &out, &Value::Null).await.0, StatusCode::OK);
        let wrong = json!({ "username": "nobody", "password": PASSWORD });
        assert_eq!(post(binary, "/api/auth/login", "", &wrong).await.0, StatusCode::UNAUTHORIZED);
        for (verb, name) in [("disable", "disabled"), ("delete", "deleted")] {
            assert!(run(command(dir).args(["account", verb, name]), "").status.success());
        }
        tokens.drain(3..5);
        // Adds rows that the calls above do not make: a session without an address, and times that differ by more than
        // a second.
        for statement in [
            "update sessions set client_label = 'none', client_address = null where rowid = 1",
            "update accounts set created_at = created_at - rowid, platform_admin = rowid % 2, password_changes = rowid,
                 factor_changes = rowid, second_factor = coalesce(username, '') = 'disabled'",
            "update accounts set email_verified_at = created_at where email is not null",
            "update firms set created_at = created_at - rowid",
            "insert into attempts select lower(hex(randomblob(32))), rowid, rowid, iif(rowid % 2, id, null) from accounts",
            "insert into outbox
             select randomblob(16), iif(rowid % 2, 'invitation', 'reset_password'), 'a' || rowid || '@b.c', id,
                 iif(rowid % 2, 'dead', 'done'), rowid, rowid, 4102444800000 + rowid, rowid, iif(rowid % 2, '550', null)
             from accounts",
            "insert into invitations
             select randomblob(16), id, 'a' || rowid || '@b.c', iif(rowid % 2, 'user', 'viewer'), iif(rowid % 2, id, null),
                 rowid, 4102444800000 + rowid from firms",
            "insert into tickets
             select lower(hex(randomblob(32))), 'reset_password', id, null, email, rowid, 4102444800000 + rowid from accounts
             where email is not null
             union all select lower(hex(randomblob(32))), 'invitation', null, id, email, -rowid, 4102444800000 - rowid
             from invitations",
            "insert into audit_events
             select randomblob(16), rowid, 'login', 'wrong password', id, id, firm_id, 'command line', null, rowid from accounts",
            "insert into totp_secrets
             select id, iif(rowid % 2, 'sealed ' || rowid, null), rowid, iif(rowid % 2, null, 'pending ' || rowid),
                 iif(rowid % 2, null, rowid) from accounts",
            "insert into recovery_codes select lower(hex(randomblob(32))), id from accounts",
            "insert into spent_tickets select randomblob(16), 4102444800000 + rowid from accounts",
            "insert into token_keys values
             ('A', 'ES256', 'public A', null, 'former', 1, 2, 0, 4102444800000),
             ('B', 'RS256', 'public B', 'sealed', 'current', 2, 3, 1, null),
             ('C', 'EdDSA', 'public C', 'sealed as well', 'next', 3, null, 0, null)",
            "insert into token_kinds values ('secret', null, null), ('keys', 4102444800000, 1000)",
        ] {
            behind(&database(dir)).await.execute(statement).await.unwrap();
        }
        let mut signed_in = Vec::new();
        for token in tokens {
            let sessions = sessions(binary, &token).await;
            signed_in.push((token, sessions));
        }
        Self { out, signed_in }
    }

    /// Asserts that a server with the same secret treats every client as before.
    async fn find_everything_on(&self, binary: &Binary) {
        for (token, expected) in &self.signed_in {
            assert_eq!(sessions(binary, token).await, *expected);
            assert_eq!(me(binary, token).await, StatusCode::NO_CONTENT);
        }
        assert_eq!(me(binary, &self.out).await, StatusCode::UNAUTHORIZED);
        for (name, status) in [
            ("alice", StatusCode::OK),
            ("MAÑANA ß", StatusCode::OK),
            (LONGEST, StatusCode::OK),
            ("disabled", StatusCode::UNAUTHORIZED),
            ("deleted", StatusCode::UNAUTHORIZED),
        ] {
            let body = json!({ "username": name, "password": PASSWORD });
            assert_eq!(post(binary, "/api/auth/login", "", &body).await.0, status, "{name}");
        }
        let body = json!({ "email": "eve@example.com", "password": PASSWORD });
        let (_, answer) = post(binary, "/auth/login", "", &body).await;
        assert_eq!(
            (&answer["user"]["role"], &answer["user"]["name"]),
            (&json!("viewer"), &json!("Zoë 'the' \"first\"; --"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_stays_signed_in_who_was_and_nobody_else_on_the_other_engine_and_back() {
    let Some(database) = Database::create().await else { return };
    let [old, new] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, last] = [old.path().join("countersign.db"), new.path().join("countersign.db")];
    let mut binary = Binary::start(old.path());
    let clients = Clients::sign_in(&binary, old.path()).await;
    binary.terminate();
    binary.child.wait().unwrap();
    for (table, column, values) in dump(&first).await {
        assert!(
            table == "signing_key" || values.iter().any(|value| *value != values[0]),
            "all of {table}.{column} are alike: that tests nothing"
        );
    }

    let there = moves(old.path(), &sqlite(&first), &database.url()).0;
    let back = moves(old.path(), &database.url(), &sqlite(&last)).0;
    assert_eq!(there, back);
    assert_eq!(dump(&first).await, dump(&last).await);
    std::fs::copy(old.path().join("countersign.db-master"), new.path().join("countersign.db-master")).unwrap();
    for url in [database.url(), sqlite(&last)] {
        let binary = Binary::spawn(command(new.path()).env("JWT_SECRET", SECRET).env("DATABASE_URL", url));
        clients.find_everything_on(&binary).await;
    }
}
