//! Names that look alike, rows that cannot be read, and the names of people, on the real binary with either engine. The
//! rules for names are tested in the domain. These tests are about names that are already stored.

use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tempfile::TempDir;

use crate::support::binary::{command, database, run};
use crate::support::http::{Answer, call};
use crate::support::postgres::Database;
use crate::support::{Binary, SECRET};

const PASSWORD: &str = "s3cur3pass";
const OTHER: &str = "an0ther-pass";

/// A folder, and the database that the commands and servers of the test use.
struct House {
    dir: TempDir,
    server: Option<Database>,
}

impl House {
    async fn each() -> Vec<Self> {
        let house = |server| Self { dir: tempfile::tempdir().unwrap(), server };
        let mut houses = vec![house(None)];
        houses.extend(Database::create().await.map(Some).map(house));
        houses
    }

    fn command(&self) -> std::process::Command {
        let mut command = command(self.dir.path());
        if let Some(server) = &self.server {
            command.env("DATABASE_URL", server.url());
        }
        command
    }

    fn serve(&self) -> Binary {
        Binary::spawn(self.command().env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"))
    }

    /// Exit code, standard output and standard error.
    fn run(&self, args: &[&str], input: &str) -> (i32, String, String) {
        let output = run(self.command().args(args), input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that must succeed, and returns the objects that it prints.
    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let (code, said, complaint) = self.run(&[args, &["--output", "json"]].concat(), "");
        assert_eq!((code, &*complaint), (0, ""), "{args:?}: {said}");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Makes an account, and returns its id.
    fn create(&self, name: &str, password: &str) -> String {
        let (code, said, complaint) = self.run(&["account", "create", name, "--output", "json"], password);
        assert_eq!(code, 0, "{complaint}");
        serde_json::from_str::<Value>(&said).unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Runs a statement that no command has.
    async fn sql(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match &self.server {
            Some(server) => {
                server.connect().await.execute(sqlx::query(statement)).await.unwrap();
            }
            None => {
                let file = SqliteConnectOptions::new().filename(database(self.dir.path()));
                file.connect().await.unwrap().execute(sqlx::query(statement)).await.unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

async fn post(server: &Binary, path: &str, body: Value) -> Answer {
    call(server.address, Method::POST, path, &[], &body).await.unwrap()
}

async fn login(server: &Binary, username: &str, password: &str) -> (u16, Value) {
    let answer = post(server, "/api/auth/login", json!({ "username": username, "password": password })).await;
    (answer.status.as_u16(), answer.json()["user"].clone())
}

async fn admin(server: &Binary, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    call(server.address, method, &format!("/v1/admin/{path}"), &[("token", token)], body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_letter_gives_anybody_the_name_of_another() {
    for house in House::each().await {
        let server = house.serve();
        let register = async |name: &str| {
            post(&server, "/api/auth/register", json!({ "username": name, "password": PASSWORD })).await.status.as_u16()
        };
        assert_eq!(register("jessica").await, 200);
        for same in ["jeẞica", "JEẞICA", "jeßica", "Jeſſica", " jessıca"] {
            assert_eq!(register(same).await, 409, "{same}");
            assert_eq!(login(&server, same, PASSWORD).await, (200, json!("jessica")), "{same}");
        }
        for alike in ["ｊessica", "jessic²", "jeѕѕica", "jessi\u{307}ca", "İrene", "ẞẞẞẞẞẞẞẞ"] {
            assert_eq!(register(alike).await, 422, "{alike}");
            assert_eq!(login(&server, alike, PASSWORD).await, (401, Value::Null), "{alike}");
        }
        for fine in ["istanbul", "жесси 🦀", "太郎 taro"] {
            assert_eq!(register(fine).await, 200, "{fine}");
        }
        // A Turkish keyboard has an i with a dot and one without. They count as the same letter, except for the capital
        // that keeps its dot.
        for (typed, found) in [("ISTANBUL", 200), ("ıstanbul", 200), ("Istanbul", 200), ("İstanbul", 401)] {
            assert_eq!(login(&server, typed, PASSWORD).await.0, found, "{typed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_an_earlier_version_stored_is_told_of_reached_and_mended() {
    for house in House::each().await {
        let (heike, long) = (house.create("heike", PASSWORD), house.create("longest", PASSWORD));
        house.sql("update accounts set username = 'jeßica' where username = 'heike'").await;
        house.sql("update accounts set username = 'ßßßßßßßß' where username = 'longest'").await;

        let server = house.serve();
        let told = || {
            let log = server.log.lock().unwrap();
            log.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|line| line["event"] == "misnamed")
        };
        let mut event = told();
        while event.is_none() {
            tokio::task::yield_now().await;
            event = told();
        }
        assert_eq!(event.unwrap()["accounts"], 2);

        // While no other account has the folded name, the owner signs in and is called by the stored name.
        for typed in ["jeẞica", "jeßica"] {
            assert_eq!(login(&server, typed, PASSWORD).await, (200, json!("jeßica")), "{typed}");
        }
        assert_eq!(login(&server, "ẞẞẞẞẞẞẞẞ", PASSWORD).await, (200, json!("ßßßßßßßß")));
        assert_eq!(login(&server, "jessica", PASSWORD).await.0, 401);

        // Once another account has the folded name, every spelling means that account. A command of the operator must
        // then name the id.
        let jessica = house.create("jessica", OTHER);
        for typed in ["jeẞica", "jeßica", "jessica"] {
            assert_eq!(login(&server, typed, PASSWORD).await.0, 401, "{typed}");
            assert_eq!(login(&server, typed, OTHER).await, (200, json!("jessica")), "{typed}");
        }
        for typed in ["jeẞica", "jeßica"] {
            for command in ["show", "disable", "delete"] {
                let (code, _, complaint) = house.run(&["account", command, typed], "");
                assert_eq!(code, 1, "{command} {typed}");
                assert!(complaint.contains(&heike) && complaint.contains(&jessica), "{complaint}");
            }
        }
        assert_eq!(house.objects(&["account", "show", "jessica"])[0]["id"], json!(jessica));
        let listed = house.objects(&["account", "list"]);
        let named: Vec<_> = listed.iter().map(|account| account["username"].as_str().unwrap()).collect();
        assert_eq!(named, ["jeßica", "ßßßßßßßß", "jessica"], "each by its own name");

        let problems = house.objects(&["account", "list", "--problems"]);
        assert_eq!(problems.len(), 2);
        let problem = problems.iter().find(|problem| problem["id"] == json!(heike)).unwrap();
        assert_eq!((&problem["column"], &problem["value"]), (&json!("username"), &json!("je\\u{df}ica")));
        assert_eq!(problem["command"], json!(format!("countersign account rename {heike} NEW_NAME")));
        assert!(house.run(&["account", "list", "--problems"], "").1.contains("je\\u{df}ica"));

        // An export shows the name as it is stored. No import gives the account to another person.
        let file = house.path("all");
        assert_eq!(house.run(&["export", file.to_str().unwrap()], "").0, 0);
        let elsewhere = House { dir: tempfile::tempdir().unwrap(), server: None };
        let (code, _, complaint) = elsewhere.run(&["import", "--format", "ndjson", file.to_str().unwrap()], "");
        assert_eq!(code, 1);
        assert!(complaint.contains("username has a letter that is stored as two"), "{complaint}");
        assert!(complaint.contains("2 of 3 accounts were not imported"), "{complaint}");
        assert_eq!(elsewhere.objects(&["account", "list"])[0]["id"], json!(jessica));

        // An account that is renamed by its id keeps its sessions. A running server calls it by the new name.
        let body = json!({ "username": "ẞẞẞẞẞẞẞẞ", "password": PASSWORD });
        let token = post(&server, "/api/auth/login", body).await.json()["token"].as_str().unwrap().to_owned();
        let (code, _, complaint) = house.run(&["account", "rename", &long, "JEẞICA"], "");
        assert_eq!((code, complaint.contains("already registered")), (1, true), "{complaint}");
        assert_eq!(house.run(&["account", "rename", &long, "al"], "").0, 1);
        let renamed = house.objects(&["account", "rename", &long, "Lang"]);
        assert_eq!((&renamed[0]["username"], &renamed[0]["changed"]), (&json!("lang"), &json!(true)));
        assert_eq!(house.objects(&["account", "rename", "lang", "LANG"])[0]["changed"], json!(false));
        let me = async || {
            let answer = call(server.address, Method::GET, "/v1/me", &[("token", &token)], &Value::Null).await.unwrap();
            assert_eq!(answer.status, 200, "no session ended");
            answer.json()["account"]["usernameIdentity"]["username"].clone()
        };
        while me().await != json!("lang") {
            tokio::task::yield_now().await;
        }
        assert_eq!(login(&server, "Lang", PASSWORD).await, (200, json!("lang")));
        assert_eq!(house.objects(&["account", "rename", &heike, "heike"])[0]["changed"], json!(true));
        assert_eq!(house.objects(&["account", "list", "--problems"]), Vec::<Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_costs_that_row_and_is_mended_by_its_id() {
    for house in House::each().await {
        let [alice, bobby, carol, david] =
            ["alice", "bobby", "carol", "david"].map(|name| house.create(name, PASSWORD));
        house.objects(&["account", "platform-admin", "grant", "alice"]);
        // Rows at both ends of the order of time, and an event of a later version.
        house.sql("update accounts set created_at = -9223372036854775807 where username = 'bobby'").await;
        house.sql("update accounts set created_at = 9223372036854775807 where username = 'david'").await;
        house
            .sql(
                "insert into audit_events (id, at, action, result, origin, detail) \
                   select id, 1, 'teleport', 'ok', 'server', '' from accounts where username = 'carol'",
            )
            .await;

        let ids = |said: &str| -> Vec<Value> {
            said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect()
        };
        for order in [&["account", "list"][..], &["account", "list", "--limit", "2"]] {
            let (code, said, complaint) = house.run(&[order, &["--output", "json"]].concat(), "");
            assert_eq!((code, ids(&said)), (1, vec![json!(alice), json!(carol)]), "{complaint}");
            assert!(complaint.contains(&format!("accounts.created_at of row {bobby}")), "{complaint}");
        }
        let (code, said, complaint) = house.run(&["export", "-"], "");
        assert_eq!((code, said.lines().count()), (1, 2));
        assert!(complaint.contains(&bobby) && complaint.contains("2 rows could not be read"), "{complaint}");
        let (code, said, complaint) = house.run(&["audit", "list"], "");
        assert_eq!((code, said.contains("create")), (1, true));
        assert!(complaint.contains("audit_events.action"), "{complaint}");
        let mut problems = house.objects(&["account", "list", "--problems"]);
        problems.sort_by_key(|problem| problem["id"].to_string());
        assert_eq!(problems.len(), 2);
        assert_eq!((&problems[0]["column"], &problems[0]["value"]), (&json!("created_at"), &Value::Null));

        let server = house.serve();
        let body = json!({ "username": "alice", "password": PASSWORD });
        let token = post(&server, "/api/auth/login", body).await.json()["token"].as_str().unwrap().to_owned();
        let ask = async |method, path: &str, body: &Value| admin(&server, &token, method, path, body).await;
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let page = ask(Method::GET, &format!("accounts?pageSize=1&pageToken={next}"), &Value::Null).await;
            assert_eq!(page.status, 200);
            let page = page.json();
            seen.extend(page["accounts"].as_array().unwrap().iter().map(|account| account["account"]["id"].clone()));
            match page["nextPageToken"].as_str() {
                Some(token) if !token.is_empty() => next = token.to_owned(),
                _ => break,
            }
        }
        assert_eq!(seen, [json!(alice), json!(carol)]);
        assert!(server.log.lock().unwrap().contains(&format!("accounts.created_at of row {bobby}")));
        let exported = ask(Method::GET, "accounts:export", &Value::Null).await;
        let text = String::from_utf8(exported.body.to_vec()).unwrap();
        assert!(text.contains("\"problems\"") && text.contains(&bobby) && text.contains(&carol), "{text}");

        let account = |id: &str| format!("accounts/{id}");
        let disabled = ask(Method::PATCH, &account(&bobby), &json!({ "status": "ACCOUNT_STATUS_INACTIVE" })).await;
        assert_eq!(
            (disabled.status.as_u16(), &disabled.json()["account"]["status"]),
            (200, &json!("ACCOUNT_STATUS_INACTIVE"))
        );
        let renamed = ask(Method::PATCH, &account(&bobby), &json!({ "username": "Robert" })).await;
        assert_eq!((renamed.status.as_u16(), &renamed.json()["account"]["account"]["id"]), (200, &json!(bobby)));
        let taken = ask(Method::PATCH, &account(&bobby), &json!({ "username": "Carol" })).await;
        assert_eq!(taken.status, 409);
        let hers = ask(Method::PATCH, &account(&carol), &json!({ "username": "Caroline" })).await.json();
        assert_eq!(hers["account"]["account"]["usernameIdentity"]["username"], "caroline");
        assert_eq!(ask(Method::DELETE, &account(&bobby), &Value::Null).await.status, 200);

        for (args, field) in [(["disable", &david], "inactive"), (["enable", &david], "active")] {
            let (code, said, complaint) = house.run(&["account", args[0], args[1]], "");
            assert_eq!((code, said.contains(field)), (0, true), "{complaint}");
        }
        assert_eq!(house.run(&["account", "rename", &david, "dave"], "").0, 0);
        assert_eq!(house.run(&["account", "delete", &david], "").0, 0);
        assert_eq!(house.objects(&["account", "list", "--problems"]), Vec::<Value>::new());
        assert_eq!(house.objects(&["account", "list"]).len(), 2);
        if house.server.is_none() {
            // PostgreSQL cannot store this text, so a move refuses it. A move leaves nothing out, and names the row.
            house.sql("update accounts set username = 'caro' || char(0) where username = 'caroline'").await;
            let from = format!("sqlite:{}", database(house.dir.path()).display());
            drop(server);
            let (code, _, complaint) = house.run(&["migrate-store", "--from", &from, "--to", "sqlite:moved.db"], "");
            assert_eq!(
                (code, complaint.contains(&format!("accounts.username of row {carol}"))),
                (1, true),
                "{complaint}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_and_firms_are_called_is_kept_and_an_import_never_refuses_for_it() {
    for house in House::each().await {
        let server = house.serve();
        let names = ["می\u{200C}خواهم", "ක්\u{200D}ෂ", "葛\u{E0100}城", "👩🏽\u{200D}🚀 Ada", "Jean\u{A0}Dupont"];
        for (at, name) in names.into_iter().enumerate() {
            let email = format!("n{at}@example.com");
            let firm = format!("\u{200F}{name}  Ltd ");
            let new = json!({ "email": email, "password": PASSWORD, "name": name, "firm_name": firm });
            assert_eq!(post(&server, "/auth/register", new).await.status, 201, "{name}");
            let shown = &house.objects(&["account", "show", &email])[0];
            let kept = name.replace('\u{A0}', " ");
            assert_eq!((&shown["name"], &shown["firm_name"]), (&json!(kept), &json!(format!("{kept} Ltd"))));
        }
        for name in ["Ada\u{202E}", "Ada\u{FFFC}", "A\u{200D}da", "A\tda"] {
            let new = json!({ "email": "ada@example.com", "password": PASSWORD, "name": name, "firm_name": "Engines" });
            assert_eq!(post(&server, "/auth/register", new).await.status, 422, "{name:?}");
        }
        // A name that is not allowed any more is shown as it is stored.
        house.sql("update accounts set name = 'Ada\u{FFFC}' where email = 'n0@example.com'").await;
        assert_eq!(house.objects(&["account", "show", "n0@example.com"])[0]["name"], json!("Ada\u{FFFC}"));

        let file = house.path("people");
        let person =
            |email: &str, name: &str| json!({ "email": email, "name": name, "firm": { "name": name } }).to_string();
        let people = [person("a@x.org", "Ann\u{2003}Lee"), person("b@x.org", "B\u{202E}o\0"), person("c.d@x.org", "")];
        std::fs::write(&file, people.join("\n")).unwrap();
        let (code, said, complaint) = house.run(&["import", "--format", "ndjson", file.to_str().unwrap()], "");
        assert_eq!((code, said.contains("cleaned     2")), (0, true), "{said}{complaint}");
        assert!(
            complaint.contains(":2: name was stored without") && complaint.contains(":3: name is missing"),
            "{complaint}"
        );
        for (email, name) in [("a@x.org", "Ann Lee"), ("b@x.org", "Bo"), ("c.d@x.org", "c.d")] {
            let shown = &house.objects(&["account", "show", email])[0];
            assert_eq!((&shown["name"], &shown["firm_name"]), (&json!(name), &json!(name)));
        }
    }
}
