//! The formats of other systems, each with lines that are refused.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{BCRYPT, countersign, exported, import, login, summary};
use crate::sockets::SOON;
use crate::support::Binary;
use crate::wire::eventually;

#[tokio::test]
async fn a_mongoexport_comes_in_with_its_password_trimmed_as_there() {
    let dir = tempfile::tempdir().unwrap();
    let text = [
        format!(r#"{{"_id":{{"$oid":"65e5a1b2c3d4e5f601234567"}},"username":"Alice","password":"{BCRYPT}","__v":0}}"#),
        format!(r#"{{ "_id" : ObjectId("65e5a1b2c3d4e5f601234568"), "username" : "bobby", "password" : "{BCRYPT}" }}"#),
        format!(r#"{{"_id":{{"$oid":"65e5a1b2c3d4e5f601234569"}},"username":"ALICE","password":"{BCRYPT}"}}"#),
        format!(r#"{{"_id":{{"$oid":"65e5"}},"username":"carol","password":"{BCRYPT}"}}"#),
        r#"{"_id":{"$oid":"65e5a1b2c3d4e5f60123456a"},"username":"david"}"#.to_owned(),
        format!(r#"{{"_id":{{"$oid":"65e5a1b2c3d4e5f60123456b"}},"username":["x"],"password":"{BCRYPT}"}}"#),
        r#"{"_id":{"$oid":"65e5a1b2c3d4e5f60123456c"},"username":"erika","password":"plain"}"#.to_owned(),
    ]
    .join("\n");
    let (code, said, complaint) = import(dir.path(), "mongo-users", &text, &[]);
    assert_eq!((code, said), (1, summary(2, 0, 1, 4)));
    for problem in [
        "accounts:3 (id \"65e5a1b2c3d4e5f601234569\", username \"ALICE\"): another account has this username or email\n",
        "accounts:4 (id \"\", username \"carol\"): _id must be an ObjectId\n",
        "accounts:5 (id \"65e5a1b2c3d4e5f60123456a\", username \"david\"): password is required\n",
        "accounts:6 (id \"65e5a1b2c3d4e5f60123456b\", username \"\"): username must be a text in quotation marks\n",
        "accounts:7 (id \"65e5a1b2c3d4e5f60123456c\", username \"erika\"): password_hash: the scheme of the hash is unknown",
    ] {
        assert!(complaint.contains(problem), "{complaint}");
    }
    assert_eq!(import(dir.path(), "mongo-users", &text, &[]).1, summary(0, 2, 1, 4));
    let all = exported(dir.path());
    let alice = all.iter().find(|account| account["username"] == "alice").unwrap();
    assert_eq!(
        (&alice["created_at"], alice["id"].as_str().unwrap().as_bytes()[14]),
        (&json!("2024-03-04T10:25:54Z"), b'5')
    );
    assert_eq!(alice["password_hash"], json!(BCRYPT.replace("$2b", "$bcrypt-trimmed$2b")));
    let server = Binary::start(dir.path());
    for password in [" s3cur3pass\t", "s3cur3pass"] {
        let alice = json!({ "username": "alice", "password": password });
        assert_eq!(login(&server, "/api/auth/login", &alice).await, StatusCode::OK);
    }
    // Also when the hash has been replaced by one of ours.
    let is_ours = async || {
        let all = exported(dir.path());
        let alice = all.iter().find(|account| account["username"] == "alice").unwrap();
        alice["password_hash"].as_str().unwrap().starts_with("$trimmed$argon2id$")
    };
    assert!(eventually(SOON, is_ours).await);
    for (password, status) in [("s3cur3pass\n", 200), ("\u{feff}s3cur3pass", 200), ("s3cur3 pass", 401)] {
        let alice = json!({ "username": "alice", "password": password });
        assert_eq!(login(&server, "/api/auth/login", &alice).await.as_u16(), status, "{password:?}");
    }
    let (code, _, complaint) = import(dir.path(), "mongo-users", &format!("[{text}]"), &[]);
    assert!(
        code == 1 && complaint.contains("accounts:1: the line is a JSON array: export without --jsonArray"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_file_of_the_second_store_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.db");
    let mut users = SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    users
        .execute(
            "create table users (id text primary key, username text unique, password text, is_active integer,
                                 created_at integer);
             insert into users values
                 ('11111111-1111-4111-8111-111111111111', 'Alice', '$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.', 1, 1709547986089),
                 ('cuid7', 'bobby', '$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.', 0, null),
                 ('cuid8', 'ALICE', '$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.', 1, 0),
                 ('cuid9', 'carol', null, 1, 0),
                 (null, 'david', 'x', 1, 0),
                 ('cuid10', 'erika', 'x', 'perhaps', 0),
                 ('cuid11', 'frank', 'x', 1, 'yesterday'),
                 ('cuid12', 'grace', 'x', 1, 9e18)",
        )
        .await
        .unwrap();
    users.close().await.unwrap();
    let before = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().mtime());
    let args = ["import", "users.db", "--format", "username-sqlite"];
    let (code, said, complaint) = countersign(dir.path(), &args);
    assert_eq!((code, said), (1, summary(2, 0, 1, 5)));
    let expected = [
        r#"4 (id "cuid9", username "carol"): password is required"#,
        r#"5 (id "", username "david"): id is required"#,
        r#"6 (id "cuid10", username "erika"): is_active must be 0 or 1"#,
        r#"7 (id "cuid11", username "frank"): created_at must be a number of milliseconds, or a time as in 2026-03-04T05:06:07Z"#,
        r#"8 (id "cuid12", username "grace"): created_at is out of range"#,
        r#"3 (id "cuid8", username "ALICE"): another account has this username or email"#,
    ];
    let expected: String = expected.iter().map(|line| format!("users.db:{line}\n")).collect();
    assert!(complaint.starts_with(&expected), "{complaint}");
    assert_eq!(countersign(dir.path(), &args).1, summary(0, 2, 1, 5));
    assert_eq!((fs::read(&file).unwrap(), fs::metadata(&file).unwrap().mtime()), before);
    assert!(!dir.path().join("users.db-wal").exists() && !dir.path().join("users.db-shm").exists());
    let all = exported(dir.path());
    let alice = all.iter().find(|account| account["username"] == "alice").unwrap();
    assert_eq!((&alice["id"], &alice["status"]), (&json!("11111111-1111-4111-8111-111111111111"), &json!("active")));
    assert_eq!(alice["created_at"], json!("2024-03-04T10:26:26.089Z"));
    assert_eq!(all.iter().find(|account| account["username"] == "bobby").unwrap()["status"], json!("inactive"));

    for other in ["accounts", "nothing.db"] {
        fs::write(dir.path().join("accounts"), "no database").unwrap();
        let (code, said, complaint) = countersign(dir.path(), &["import", other, "--format", "username-sqlite"]);
        assert!(code == 1 && said.is_empty() && complaint.contains(&format!("cannot read {other}: ")), "{complaint}");
    }
    assert!(!dir.path().join("nothing.db").exists());
}

#[tokio::test]
async fn of_two_names_that_differ_in_letter_case_the_one_that_could_sign_in_there_wins() {
    let dir = tempfile::tempdir().unwrap();
    let line = |n: u64, username: &str| {
        format!(r#"{{"_id":{{"$oid":"{n:024x}"}},"username":{},"password":"{BCRYPT}"}}"#, json!(username)) + "\n"
    };
    // The names that win are in another batch than those that lose.
    let losers: String = (0..1_100).map(|n| line(n, &format!("User{n}"))).collect();
    let winners: String = (0..1_100).map(|n| line(10_000 + n, &format!("user{n}"))).collect();
    let alone = line(20_000, " Zoe");
    let report = dir.path().join("report");
    let args = ["--report", report.to_str().unwrap()];
    let (code, said, _) = import(dir.path(), "mongo-users", &format!("{losers}{alone}{winners}"), &args);
    assert_eq!((code, said), (1, summary(1_101, 0, 1_100, 0)));
    let report = fs::read_to_string(report).unwrap();
    let told: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 1_100);
    let source = json!({ "id": format!("{:024x}", 7), "username": "User7" });
    let seventh = told.iter().find(|problem| problem["source"] == source).unwrap();
    assert_eq!(
        (&seventh["line"], &seventh["outcome"], &seventh["handle"]),
        (&json!(8), &json!("collision"), &json!("user7"))
    );
    assert!(exported(dir.path()).iter().any(|account| account["username"] == "zoe"));
}

#[tokio::test]
async fn a_name_that_its_server_allowed_is_kept_and_signs_in_by_the_username_api_only() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a", "ada@example.com", "two  spaces", "ze\u{200b}ro", "more than fifteen letters", "ali\u{a0}ce"];
    let lines = names.iter().map(|name| json!({ "username": name, "password_hash": BCRYPT }).to_string() + "\n");
    let email = json!({ "email": "ada@example.com", "name": "Ada", "firm": { "name": "E" }, "password_hash": BCRYPT });
    let text = lines.collect::<String>() + &email.to_string();
    assert_eq!(import(dir.path(), "ndjson", &text, &[]).1, summary(7, 0, 0, 0));
    assert_eq!(import(dir.path(), "ndjson", &text, &["--dry-run"]).1.lines().nth(1), Some("unchanged   7"));
    let other = tempfile::tempdir().unwrap();
    assert!(import(other.path(), "ndjson", &text, &["--dry-run"]).1.starts_with("importable  7\n"));
    let server = Binary::start(dir.path());
    for name in names {
        let typed = json!({ "username": name.to_uppercase(), "password": "s3cur3pass" });
        assert_eq!(login(&server, "/api/auth/login", &typed).await, StatusCode::OK, "{name}");
    }
    let ada = json!({ "email": "ada@example.com", "password": "s3cur3pass" });
    assert_eq!(
        login(&server, "/auth/login", &ada).await,
        StatusCode::OK,
        "the email account of that text is another one"
    );
    let (code, found, _) = countersign(dir.path(), &["account", "show", "ada@example.com", "--output", "json"]);
    assert_eq!((code, found.contains("\"email\"")), (0, true), "{found}");
}

#[tokio::test]
async fn rows_of_the_hosted_identity_service_get_a_firm_each() {
    let dir = tempfile::tempdir().unwrap();
    let header = "instance_id,id,email,encrypted_password,email_confirmed_at,created_at,banned_until,deleted_at,raw_user_meta_data";
    let text = [
        header.to_owned(),
        format!("0,11111111-1111-4111-8111-111111111111,Ada@Example.com,{BCRYPT},2024-03-04 10:26:26.5+00,2024-03-04 10:26:26.089123+00,,,\"{{\"\"name\"\":\"\"Ada Lovelace\"\",\"\"firm_name\"\":\"\"Engines\"\"}}\""),
        format!("0,11111111-1111-4111-8111-111111111112,grace@example.com,{BCRYPT},,2024-03-04 10:26:26+00,2999-01-01 00:00:00+00,,\"{{\n\"\"full_name\"\":\"\"Grace Hopper\"\"}}\""),
        "0,11111111-1111-4111-8111-111111111113,joan@example.com,,,2024-03-04 10:26:26+00,2020-01-01 00:00:00+00,,\"{}\"".to_owned(),
        // Two lines. The first one would spoil the second if the second were not read again by itself.
        format!("0,11111111-1111-4111-8111-111111111114,\"open@example.com,{BCRYPT},,,,,{{}}"),
        format!("0,11111111-1111-4111-8111-111111111115,mary@example.com,{BCRYPT},,,,2024-03-04 10:26:26+00,\"{{\"\"name\"\":\"\"Mary\"\"}}\""),
        "too,few".to_owned(),
        format!("0,,nobody@example.com,{BCRYPT},,,,,"),
        format!("0,11111111-1111-4111-8111-111111111116,,{BCRYPT},,,,,"),
        format!("0,11111111-1111-4111-8111-111111111117,kate@example.com,{BCRYPT},,soon,,,"),
        format!("0,11111111-1111-4111-8111-111111111118,ADA@example.com,{BCRYPT},,,,,"),
        format!("0,11111111-1111-4111-8111-111111111119,edith@example.com,{BCRYPT},,,,,no json"),
    ]
    .join("\n");
    let (code, said, complaint) = import(dir.path(), "auth-users-csv", &text, &[]);
    assert_eq!((code, said.as_str()), (1, summary(4, 0, 1, 6).as_str()), "{complaint}");
    for problem in [
        "accounts:6: a quotation mark is not closed\n",
        "accounts:8: the row has 2 fields, and the first line has 9\n",
        "accounts:9: id is required\n",
        "accounts:10: email is required\n",
        "accounts:11: created_at must be a time",
        "accounts:12: another account has this username or email\n",
        "accounts:13: raw_user_meta_data is no JSON object\n",
    ] {
        assert!(complaint.contains(problem), "{problem} is not in {complaint}");
    }
    assert_eq!(import(dir.path(), "auth-users-csv", &text, &[]).1, summary(0, 4, 1, 6));
    let all = exported(dir.path());
    let of = |email: &str| all.iter().find(|account| account["email"] == email).unwrap();
    let ada = of("ada@example.com");
    assert_eq!(
        (&ada["name"], &ada["firm"]["name"], &ada["role"]),
        (&json!("Ada Lovelace"), &json!("Engines"), &json!("admin"))
    );
    assert_eq!((&ada["email_verified"], &ada["created_at"]), (&json!(true), &json!("2024-03-04T10:26:26.089Z")));
    let grace = of("grace@example.com");
    assert_eq!(
        (&grace["name"], &grace["status"]),
        (&json!("Grace Hopper"), &json!("inactive")),
        "in two lines, and banned"
    );
    let (joan, mary) = (of("joan@example.com"), of("mary@example.com"));
    assert_eq!(
        (&joan["name"], &joan["status"], &joan["password_hash"]),
        (&json!("joan"), &json!("active"), &Value::Null)
    );
    assert_eq!((&mary["status"], &mary["email_verified"]), (&json!("inactive"), &json!(false)));
    assert!(ada["firm"]["id"] != joan["firm"]["id"] && joan["firm"]["id"] != mary["firm"]["id"]);
    let server = Binary::start(dir.path());
    let ada = json!({ "email": "ada@example.com", "password": "s3cur3pass" });
    assert_eq!(login(&server, "/auth/login", &ada).await, StatusCode::OK);

    for (header, problem) in [
        ("id,email\n", "names no encrypted_password"),
        ("id,email,encrypted_password,id\n", "names the column id twice"),
    ] {
        let (code, said, complaint) = import(dir.path(), "auth-users-csv", header, &[]);
        assert!(code == 1 && said.is_empty() && complaint.contains(problem), "{complaint}");
    }
}
