//! Accounts in bulk, with their tokens and sign-ins. All have the same password and the same hash, because the cost of
//! a sign-in does not depend on them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use countersign::store::{self, Purpose};
use countersign_guard::clock::SystemClock;
use countersign_guard::token::{Keyring, NewSession, Profile, Secret, SigningKey, Tokens};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::wire::Call;

/// The secret that the measured servers and the benchmark sign with.
pub const SECRET: &str = "a secret of the benchmarks, and of nothing else";

const PASSWORD: &str = "s3cur3pass";
const SALT: &[u8; 16] = b"saltsaltsaltsalt";

/// Creates the tables if necessary, and adds the accounts `first` to `last` with hashes of these parameters.
pub fn add_accounts(database: &str, first: u64, last: u64, params: &Params) {
    // The same on either engine: a name, and an id that counts up, as real ids do.
    let (numbers, id, name) = if is_sqlite(database) {
        let numbers = format!("with recursive n(i) as (select {first} union all select i + 1 from n where i < {last})");
        (numbers, "unhex('01a00000000070008000' || printf('%012x', i))", "printf('u%08d', i)")
    } else {
        let numbers = format!("with n(i) as (select generate_series({first}::bigint, {last}))");
        (numbers, "('01a00000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid", "'u' || lpad(i::text, 8, '0')")
    };
    let columns = "insert into accounts (id, username, password_hash, created_at)";
    let insert = format!("{columns} {numbers} select {id}, {name}, '{}', 1800000000000 from n", hash(params));
    execute(database, &insert);
}

/// Creates the tables if necessary, and runs a statement.
pub fn execute(database: &str, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    block_on(async {
        store::open(database, Purpose::Operate).await.unwrap().close().await;
        if is_sqlite(database) {
            let mut connection = SqliteConnection::connect(database).await.unwrap();
            connection.execute(statement).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(database).await.unwrap();
            connection.execute(statement).await.unwrap();
            connection.execute("analyze").await.unwrap();
            connection.close().await.unwrap();
        }
    });
}

pub fn is_sqlite(database: &str) -> bool {
    database.starts_with("sqlite:")
}

fn username(number: u64) -> String {
    format!("u{number:08}")
}

/// What mints the tokens of a measured server in its place.
pub struct Minter(Tokens);

impl Minter {
    /// By the secret of the benchmarks.
    pub fn of_secret() -> Self {
        Self::of(Keyring::new(&secret(), None))
    }

    /// By the key of a server with this issuer.
    pub fn of_key(key: SigningKey, issuer: &str) -> Self {
        let Self(tokens) = Self::of(Keyring::new(&secret(), None).signing_with(key));
        Self(tokens.with_issuer(issuer, None))
    }

    fn of(keyring: Keyring) -> Self {
        Self(Tokens::new(keyring, Arc::new(SystemClock), Duration::from_secs(30 * 86_400)))
    }

    /// A token of the account with this number, of a new session.
    fn token(&self, number: u64) -> String {
        let session = NewSession {
            account_id: Uuid::from_u128(0x01a00000_0000_7000_8000_000000000000 + u128::from(number)),
            session_id: Uuid::now_v7(),
            epoch: 0,
            token_lifetime: Duration::from_secs(3_600),
            profile: Profile::Username { username: username(number) },
        };
        self.0.issue(session).unwrap().token.as_str().to_owned()
    }

    /// `Me` for each of these accounts.
    pub fn me(&self, numbers: impl Iterator<Item = u64>) -> Vec<Call> {
        numbers.map(|number| Call::me(&self.token(number))).collect()
    }
}

fn secret() -> Secret {
    Secret::parse(SECRET.to_owned()).unwrap()
}

/// A token of the account with this number.
fn token(number: u64) -> String {
    static MINTER: OnceLock<Minter> = OnceLock::new();
    MINTER.get_or_init(Minter::of_secret).token(number)
}

/// `Me` for each of these accounts.
pub fn me(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::me(&token(number))).collect()
}

/// Envoy's question about a request of each of these accounts.
pub fn checks(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::check(&token(number))).collect()
}

/// `GET` of a path for each of these accounts.
pub fn get(path: &str, numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::get(path, &token(number))).collect()
}

/// `GET /v1/me` over HTTP/2 for each of these accounts.
pub fn rest_me(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::rest_me(&token(number))).collect()
}

/// The sign-in of each of these accounts, with the right password.
pub fn sign_ins(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::login(&username(number), PASSWORD)).collect()
}

/// The sign-ins, each from the address that `address` gives.
pub fn sign_ins_from(numbers: impl Iterator<Item = u64>, address: impl Fn(u64) -> String) -> Vec<Call> {
    numbers.map(|number| Call::login_from(&address(number), &username(number), PASSWORD)).collect()
}

/// The sign-ins over HTTP/1.1, by `POST /api/auth/login`.
pub fn post_sign_ins(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::post_login(&username(number), PASSWORD)).collect()
}

/// The sign-ins over HTTP/2, by `POST /v1/sessions:login`.
pub fn rest_sign_ins(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    numbers.map(|number| Call::rest_login(&username(number), PASSWORD)).collect()
}

/// A hash in the form in which accounts store it.
fn hash(params: &Params) -> String {
    let mut output = [0; 32];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into(PASSWORD.as_bytes(), SALT, &mut output).unwrap();
    let [salt, output] = [&SALT[..], &output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m={},t={},p={}${salt}${output}", params.m_cost(), params.t_cost(), params.p_cost())
}

/// Runs async work, none of which is measured.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
