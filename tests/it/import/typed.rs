//! Typed columns of every format. NULL in each spelling means no value, a valid value is stored, and anything else is a
//! problem of that line. Tested on both engines, up to the sign-in afterwards.

use std::fs;
use std::path::Path;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::{BCRYPT, countersign, login, summary};
use crate::support::postgres::Database;
use crate::support::{Binary, SECRET, binary};

const NULLS: [&str; 11] =
    ["", "  ", "\"\"", "NULL", "null", "\"NULL\"", r"\N", "(null)", "None", "nil", "\"\"\"\"\"\""];
const TIMES: [&str; 6] = [
    "2024-03-04 10:26:26+00",
    "2024-03-04 10:26:26.089123+00",
    "2024-03-04T10:26:26Z",
    "2024-03-04T10:26:26.5+00:00",
    "2024-03-04 11:26:26+01",
    "\"2024-03-04 15:56:26+0530\"",
];
const NO_TIMES: [&str; 8] =
    ["t", "yes", "1", "1709547986089", "2024-03-04", "2024-03-04 10:26:26", "soon", "2024-03-04 10:26:26+a€"];
const TRUE: [&str; 5] = ["t", "true", "TRUE", "1", "yes"];
const FALSE: [&str; 5] = ["f", "false", "False", "0", "no"];
const NO_BOOLEANS: [&str; 5] = ["2", "-1", "x", "on/off", "2024-03-04 10:26:26+00"];

/// A confirmed account without anything else. Each row of the table below differs from it in one column.
const ROW: [(&str, &str); 12] = [
    ("id", ""),
    ("email", ""),
    ("encrypted_password", BCRYPT),
    ("email_confirmed_at", "2024-03-04 10:26:26+00"),
    ("confirmed_at", "2024-03-04 10:26:26+00"),
    ("created_at", "2024-03-04 10:26:26+00"),
    ("banned_until", ""),
    ("deleted_at", ""),
    ("raw_user_meta_data", "\"{\"\"name\"\":\"\"Ada\"\"}\""),
    ("is_super_admin", "f"),
    ("is_sso_user", "f"),
    ("is_anonymous", "f"),
];

/// The result of importing a row.
#[derive(Clone, Copy)]
enum Becomes {
    /// The same account as [`ROW`].
    Same,
    /// The same account except for a field of the export.
    With(&'static str, fn() -> Value),
    /// As [`Self::With`], with a reason in the report.
    Noted(&'static str, fn() -> Value, &'static str),
    /// No account, with a reason that begins with this text.
    Refused(&'static str),
}

use Becomes::{Noted, Refused, Same, With};

fn table() -> Vec<(&'static str, &'static [&'static str], Becomes)> {
    const INACTIVE: fn() -> Value = || json!("inactive");
    const A_TIME: &str = " must be a time as in 2026-03-04 05:06:07+00, or empty";
    let unverified = With("email_verified", || json!(false));
    vec![
        ("id", &NULLS, Refused("id is required")),
        ("id", &["7", "0"], Refused("id must be a UUID")),
        ("email", &NULLS, Refused("email is required")),
        ("encrypted_password", &NULLS, With("password_hash", || Value::Null)),
        ("encrypted_password", &["secret", "t"], Refused("password_hash: the scheme of the hash is unknown")),
        ("email_confirmed_at", &NULLS, unverified),
        ("email_confirmed_at", &TIMES, Same),
        ("email_confirmed_at", &NO_TIMES, Refused(A_TIME)),
        ("email_confirmed_at", &["infinity", "-infinity"], Refused(A_TIME)),
        ("email_confirmed_at", &["2999-01-01 00:00:00+00"], Refused("email_confirmed_at must not be in the future")),
        // `confirmed_at` may be about a telephone number.
        ("confirmed_at", &NULLS, Same),
        ("confirmed_at", &TIMES, Same),
        ("confirmed_at", &NO_TIMES, Refused(A_TIME)),
        ("created_at", &TIMES[..1], Same),
        ("created_at", &["2020-01-01 01:00:00+01"], With("created_at", || json!("2020-01-01T00:00:00Z"))),
        ("created_at", &NO_TIMES, Refused(A_TIME)),
        ("created_at", &["infinity"], Refused(A_TIME)),
        (
            "created_at",
            &["0000-01-01 00:00:00+00", "9999-12-31 23:59:59-08"],
            Refused("created_at must be in the years from 1 to 9999"),
        ),
        ("banned_until", &NULLS, Same),
        ("banned_until", &TIMES, Same),
        ("banned_until", &["-infinity"], Same),
        (
            "banned_until",
            &["2999-01-01 00:00:00+00", "infinity"],
            Noted("status", INACTIVE, "banned_until is in the future: the account is inactive"),
        ),
        ("banned_until", &NO_TIMES, Refused(A_TIME)),
        ("deleted_at", &NULLS, Same),
        ("deleted_at", &TIMES, Noted("status", INACTIVE, "deleted_at is a time: the account is inactive")),
        ("deleted_at", &NO_TIMES, Refused(A_TIME)),
        ("deleted_at", &["infinity"], Refused(A_TIME)),
        // Without a name, the account is called by its address. A person with the name Null keeps it.
        ("raw_user_meta_data", &NULLS, With("name", || Value::Null)),
        ("raw_user_meta_data", &["{}", "\"{\"\"name\"\":null}\""], With("name", || Value::Null)),
        ("raw_user_meta_data", &["\"{\"\"name\"\":\"\"Null\"\"}\""], With("name", || json!("Null"))),
        ("raw_user_meta_data", &["7", "[]", "t", "Ada"], Refused("raw_user_meta_data is no JSON object")),
        ("is_super_admin", &NULLS, Same),
        ("is_super_admin", &FALSE, Same),
        (
            "is_super_admin",
            &TRUE,
            Noted("role", || json!("admin"), "is_super_admin is true, which gives no rights here"),
        ),
        ("is_super_admin", &NO_BOOLEANS, Refused("is_super_admin must be true or false, or empty")),
        ("is_sso_user", &NULLS, Same),
        ("is_sso_user", &FALSE, Same),
        ("is_sso_user", &TRUE, Refused("is_sso_user is true: such a user signs in at an identity provider")),
        ("is_sso_user", &NO_BOOLEANS, Refused("is_sso_user must be true or false, or empty")),
        ("is_anonymous", &NULLS, Same),
        ("is_anonymous", &FALSE, Same),
        ("is_anonymous", &TRUE, Refused("is_anonymous is true: such a user has nothing to sign in with")),
        ("is_anonymous", &NO_BOOLEANS, Refused("is_anonymous must be true or false, or empty")),
    ]
}

/// Imports into the database of `url`, and returns the lines of the report and of the export.
fn import_into(dir: &Path, url: &str, format: &str, file: &str) -> [Vec<Value>; 2] {
    let url = format!("--database-url={url}");
    let (_, said, complaint) = countersign(dir, &[&url, "import", file, "--format", format, "--report", "report"]);
    assert!(said.starts_with("imported "), "{said}{complaint}");
    let (code, exported, complaint) = countersign(dir, &[&url, "export"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    [lines(&fs::read_to_string(dir.join("report")).unwrap()), lines(&exported)]
}

/// Writes every column with every value into one file.
fn auth_users(url: &str, dir: &Path) {
    let cases: Vec<_> = table()
        .into_iter()
        .flat_map(|(column, values, becomes)| values.iter().map(move |value| (column, *value, becomes)))
        .collect();
    let mut text = ROW.map(|(column, _)| column).join(",");
    for (line, (changed, value, _)) in (2..).zip(&cases) {
        let fields = ROW.map(|(column, usual)| match column {
            column if column == *changed => (*value).to_owned(),
            "id" => format!("11111111-1111-4111-8111-{line:012}"),
            "email" => format!("u{line}@example.com"),
            _ => usual.to_owned(),
        });
        text += &format!("\n{}", fields.join(","));
    }
    fs::write(dir.join("users.csv"), text).unwrap();
    let [report, exported] = import_into(dir, url, "auth-users-csv", "users.csv");
    for (line, (column, value, becomes)) in (2..).zip(cases) {
        let case = format!("{column} = {value}, line {line}");
        let told: Vec<_> = report.iter().filter(|told| told["line"] == line).collect();
        let account = exported.iter().find(|account| account["email"] == format!("u{line}@example.com"));
        let (field, expected) = match becomes {
            Refused(reason) => {
                assert!(account.is_none(), "{case}: {account:?}");
                let reason = if reason.starts_with(' ') { format!("{column}{reason}") } else { reason.to_owned() };
                assert_eq!((told.len(), &told[0]["outcome"]), (1, &json!("refused")), "{case}");
                assert!(told[0]["reason"].as_str().unwrap().starts_with(&reason), "{case}: {}", told[0]);
                continue;
            }
            Same => ("status", json!("active")),
            With(field, expected) | Noted(field, expected, _) => (field, expected()),
        };
        let notes: Vec<_> = told.iter().map(|told| (&told["outcome"], &told["reason"])).collect();
        match becomes {
            Noted(_, _, note) => assert_eq!(notes, [(&json!("noted"), &json!(note))], "{case}"),
            _ => assert_eq!(notes, [], "{case}"),
        }
        let account = account.unwrap_or_else(|| panic!("{case} was not taken"));
        let mut usual = json!({ "name": "Ada", "role": "admin", "password_hash": BCRYPT, "status": "active",
                                "email_verified": true, "created_at": "2024-03-04T10:26:26Z" });
        usual[field] = if field == "name" && expected.is_null() { json!(format!("u{line}")) } else { expected };
        for (name, expected) in usual.as_object().unwrap() {
            assert_eq!(&account[name], expected, "{name} of {case}");
        }
    }
}

#[test]
fn every_column_of_the_hosted_service_is_read_as_its_type() {
    let dir = tempfile::tempdir().unwrap();
    auth_users(&format!("sqlite:{}", binary::database(dir.path()).display()), dir.path());
}

#[tokio::test]
async fn every_column_of_the_hosted_service_is_read_as_its_type_on_postgresql_too() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    auth_users(&database.url(), dir.path());
}

/// An unconfirmed address cannot sign in where verified addresses are required.
async fn sign_ins(url: &str, dir: &Path) {
    let confirmed = "2024-03-04 10:26:26+00";
    let mut text = "id,email,encrypted_password,email_confirmed_at,deleted_at,banned_until".to_owned();
    let rows = [
        ("good", confirmed, "NULL", "null", (200, Value::Null)),
        ("unbanned", confirmed, "", "2020-01-01 00:00:00+00", (200, Value::Null)),
        ("null", "NULL", "NULL", "NULL", (400, json!("email_not_verified"))),
        ("lower", "null", "", "", (400, json!("email_not_verified"))),
        ("copied", r"\N", r"\N", r"\N", (400, json!("email_not_verified"))),
        ("empty", "", "", "", (400, json!("email_not_verified"))),
        ("deleted", confirmed, confirmed, "", (400, json!("invalid_credentials"))),
        ("banned", confirmed, "", "infinity", (400, json!("invalid_credentials"))),
        ("wrong", "yes", "", "", (400, json!("invalid_credentials"))),
    ];
    for (n, (name, confirmed, deleted, banned, _)) in rows.iter().enumerate() {
        text +=
            &format!("\n11111111-1111-4111-8111-{n:012},{name}@example.com,{BCRYPT},{confirmed},{deleted},{banned}");
    }
    fs::write(dir.join("users.csv"), text).unwrap();
    assert_eq!(import_into(dir, url, "auth-users-csv", "users.csv")[1].len(), 8);
    let mut command = binary::command(dir);
    command.env("DATABASE_URL", url).env("JWT_SECRET", SECRET).env("REQUIRE_VERIFIED_EMAIL", "true");
    let server = Binary::spawn(&mut command);
    for (name, .., (status, code)) in rows {
        let body = json!({ "email": format!("{name}@example.com"), "password": "s3cur3pass" });
        let answer =
            crate::support::http::call(server.address, http::Method::POST, "/auth/login", &[], &body).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.json()["error_code"]), (status, &code), "{name}");
    }
}

#[tokio::test]
async fn who_never_confirmed_an_address_does_not_sign_in_where_that_is_required() {
    let dir = tempfile::tempdir().unwrap();
    sign_ins(&format!("sqlite:{}", binary::database(dir.path()).display()), dir.path()).await;
}

#[tokio::test]
async fn who_never_confirmed_an_address_does_not_sign_in_on_postgresql_either() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    sign_ins(&database.url(), dir.path()).await;
}

/// A field of the account, or the reason why it was refused.
type Expected = Result<(&'static str, Value), &'static str>;

#[tokio::test]
async fn the_second_store_s_columns_are_what_was_put_into_them() {
    const NO_TIME: &str = "created_at must be a number of milliseconds, or a time as in 2026-03-04T05:06:07Z";
    let (active, inactive) = (Ok(("status", json!("active"))), Ok(("status", json!("inactive"))));
    let at = || Ok(("created_at", json!("2024-03-04T10:26:26.089Z")));
    let no_boolean = Err("is_active must be 0 or 1");
    let cases: Vec<(&str, &str, Expected)> = vec![
        ("1", "0", active.clone()),
        ("'1'", "0", active.clone()),
        ("1.0", "0", active.clone()),
        ("'true'", "0", active.clone()),
        ("'t'", "0", active.clone()),
        ("null", "0", active.clone()),
        ("'NULL'", "0", active),
        ("0", "0", inactive.clone()),
        ("'0'", "0", inactive.clone()),
        ("0.0", "0", inactive.clone()),
        ("'false'", "0", inactive.clone()),
        ("'f'", "0", inactive),
        ("2", "0", no_boolean.clone()),
        ("-1", "0", no_boolean.clone()),
        ("0.5", "0", no_boolean.clone()),
        ("'perhaps'", "0", no_boolean),
        ("x'ff'", "0", Err("is_active is not text")),
        ("1", "1709547986089", at()),
        ("1", "'1709547986089'", at()),
        ("1", "1709547986089.0", at()),
        ("1", "'2024-03-04T10:26:26.089Z'", at()),
        ("1", "'2024-03-04 11:26:26.089+01'", at()),
        ("1", "null", Ok(("status", json!("active")))),
        ("1", "'NULL'", Ok(("status", json!("active")))),
        ("1", "''", Ok(("status", json!("active")))),
        ("1", "'yesterday'", Err(NO_TIME)),
        ("1", "'2024-03-04'", Err(NO_TIME)),
        ("1", "9000000000000000000", Err("created_at is out of range")),
        ("1", "-99999999999999", Err("created_at must be in the years from 1 to 9999")),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(dir.path().join("users.db")).create_if_missing(true);
    let mut users = file.connect().await.unwrap();
    users
        .execute("create table users (id text primary key, username text, password text, is_active, created_at)")
        .await
        .unwrap();
    for (n, (is_active, created_at, _)) in (1..).zip(&cases) {
        let row = format!("insert into users values ('{n}', 'user{n}', '{BCRYPT}', {is_active}, {created_at})");
        users.execute(AssertSqlSafe(row)).await.unwrap();
    }
    // A text column takes the text as it is.
    let names = format!("insert into users values ('n', 'Null', '{BCRYPT}', 1, 0)");
    users.execute(AssertSqlSafe(names)).await.unwrap();
    users.close().await.unwrap();
    let url = format!("sqlite:{}", binary::database(dir.path()).display());
    let [report, exported] = import_into(dir.path(), &url, "username-sqlite", "users.db");
    for (n, (is_active, created_at, expected)) in (1..).zip(cases) {
        let case = format!("is_active = {is_active}, created_at = {created_at}");
        let told = report.iter().find(|told| told["line"] == n).map(|told| told["reason"].clone());
        let account = exported.iter().find(|account| account["username"] == format!("user{n}"));
        match expected {
            Ok((field, expected)) => {
                assert_eq!(account.map(|account| &account[field]), Some(&expected), "{case}: {told:?}")
            }
            Err(reason) => assert_eq!((account, told), (None, Some(json!(reason))), "{case}"),
        }
    }
    assert!(exported.iter().any(|account| account["username"] == "null"));
}

#[test]
fn json_has_types_and_each_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let ada = r#""email":"ada@example.com","name":"Ada","firm":{"name":"Engines"}"#;
    let lines = [
        (format!(r#"{{{ada},"email_verified":"true"}}"#), "the field `email_verified` must be true or false"),
        (format!(r#"{{{ada},"email_verified":1}}"#), "the field `email_verified` must be true or false"),
        (
            format!(r#"{{{ada},"created_at":1709547986089}}"#),
            "the field `created_at` must be a text in quotation marks",
        ),
        (format!(r#"{{{ada},"created_at":"NULL"}}"#), "created_at must be a time as in 2026-03-04T05:06:07Z"),
        (
            format!(r#"{{{ada},"created_at":"9999-12-31T23:59:59-08:00"}}"#),
            "created_at must be in the years from 1 to 9999",
        ),
        (format!(r#"{{{ada},"role":"NULL"}}"#), "role must be admin, user or viewer"),
        (format!(r#"{{{ada},"role":true}}"#), "the field `role` must be a text in quotation marks"),
        (format!(r#"{{{ada},"status":"t"}}"#), "status must be active or inactive"),
        (format!(r#"{{{ada},"password_hash":"NULL"}}"#), "password_hash: the scheme of the hash is unknown"),
        (r#"{"email":"ada@example.com","firm":"Engines"}"#.to_owned(), "the field `firm` must be an object"),
        (r#"{"username":"alice","username":"bobby"}"#.to_owned(), "the field `username` occurs twice"),
        (r#"{"username":"alice","admin":true}"#.to_owned(), "the field `admin` is unknown"),
        (format!(r#"{{{ada},"created_at":null,"role":null,"password_hash":null,"email_verified":null}}"#), ""),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let (_, said, complaint) = super::import(dir.path(), "ndjson", &text, &[]);
    assert_eq!(said, summary(1, 0, 0, 12), "{complaint}");
    for (said, (line, expected)) in complaint.lines().zip(&lines) {
        assert!(said.contains(&format!(": {expected}")), "{said}, of {line}");
    }
    assert_eq!(super::exported(dir.path())[0]["email_verified"], json!(false));
    let id = |n: u32| format!(r#""_id":{{"$oid":"65e5a1b2c3d4e5f60123{n:04}"}}"#);
    let lines = [
        (format!(r#"{{{},"username":null,"password":"{BCRYPT}"}}"#, id(1)), "username or email is required"),
        (format!(r#"{{{},"username":7,"password":"{BCRYPT}"}}"#, id(2)), "username must be a text in quotation marks"),
        (format!(r#"{{{},"username":"bobby","password":null}}"#, id(3)), "password is required"),
        (format!(r#"{{{},"username":"bobby","password":true}}"#, id(4)), "password must be a text in quotation marks"),
        (
            format!(r#"{{{},"username":"bobby","password":"NULL"}}"#, id(5)),
            "password_hash: the scheme of the hash is unknown",
        ),
        (format!(r#"{{"_id":7,"username":"bobby","password":"{BCRYPT}"}}"#), "_id must be an ObjectId"),
        (format!(r#"{{{},"username":"Null","password":"{BCRYPT}"}}"#, id(6)), ""),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let (_, said, complaint) = super::import(dir.path(), "mongo-users", &text, &[]);
    assert_eq!(said, summary(1, 0, 0, 6), "{complaint}");
    for (said, (line, expected)) in complaint.lines().zip(&lines) {
        assert!(said.contains(&format!(": {expected}")), "{said}, of {line}");
    }
}

#[tokio::test]
async fn a_row_that_breaks_a_line_s_offset_in_two_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{\"username\":\"alice\",\"created_at\":\"2026-03-04 05:06:07+a€\"}\n{\"username\":\"bobby\"}\n";
    let (code, said, complaint) = super::import(dir.path(), "ndjson", text, &[]);
    assert_eq!((code, said.as_str()), (1, summary(1, 0, 0, 1).as_str()), "{complaint}");
    let server = Binary::start(dir.path());
    let bobby = json!({ "username": "bobby", "password": "s3cur3pass" });
    assert_eq!(login(&server, "/api/auth/login", &bobby).await, StatusCode::UNAUTHORIZED, "it has no password");
}
