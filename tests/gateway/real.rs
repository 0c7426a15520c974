//! Countersign's own rules: the same conversation with two apps that begin alike. One is called by its own REST, the
//! other by the gateway over its gRPC. Two apps are needed because most calls change something.

use std::collections::HashMap;
use std::time::Duration;

use prost_reflect::DescriptorPool;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::differ::{Account, Case};
use crate::raw::{Answered, Asked};
use crate::sides::Gateway;
use crate::steps::{STEPS, Step};
use crate::support::TestApp;
use crate::support::app::Served;
use crate::{administration, life, second_factor};

/// The service credential for watching revocations, and for introspecting and revoking tokens.
pub const CREDENTIAL: &str = "ZG8gbm90IHRlbGwgYW55Ym9keTogd2F0Y2hlcg==";

/// One of the two apps, with the values that it has returned.
struct Side {
    /// The address of REST.
    address: String,
    said: HashMap<&'static str, String>,
}

/// Takes every step on both sides.
pub async fn conversation(binary: &str, account: &mut Account) {
    let (ours_app, ours_at) = app().await;
    let (other_app, other_at) = app().await;
    let gateway = Gateway::start(binary, &["-countersign", &other_at.address.to_string()]);
    let mut ours = Side { address: ours_at.address.to_string(), said: prepare(&ours_app).await };
    let mut other = Side { address: gateway.address("countersign").to_owned(), said: prepare(&other_app).await };
    let pool = DescriptorPool::decode(countersign::pb::DESCRIPTORS).unwrap();
    account.routes.add(&pool, "countersign", "countersign.v1.");
    let steps = [STEPS, life::STEPS, administration::STEPS, second_factor::STEPS].concat();
    for step in &steps {
        // Sessions with the same time would be listed in any order.
        ours_app.clock.advance(1);
        other_app.clock.advance(1);
        let asked = step.asked(&ours.said);
        let (from_ours, from_other) = (ours.take(step).await, other.take(step).await);
        assert!(from_ours.status < 500, "{asked}\n{from_ours}");
        let (from_ours, from_other) = (masked(&from_ours), masked(&from_other));
        account.note(&Case { asked: &asked, ours: &from_ours, gateway: &from_other, pool: &pool });
    }
    let request =
        format!("GET /v1/revocations:watch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CREDENTIAL}\r\n\r\n");
    let (one, two) = (watched(&ours.address, &request).await, watched(&other.address, &request).await);
    assert_eq!(one, two, "what a watch begins with");
    assert!(one.len() > 3, "{one:?}");
    account.routes.note(&Asked::new("countersign", "GET /v1/revocations:watch"));
    // They succeed only where keys sign, which have other ids on each side. Their refusals were compared.
    for line in ["POST /v1/admin/signingKeys:rotate", "DELETE /v1/admin/signingKeys/x"] {
        account.routes.note(&Asked::new("countersign", line));
    }
    for line in second_factor::REFUSED {
        account.routes.note(&Asked::new("countersign", line));
    }
    println!("{} steps, and a watch", steps.len());
    drop(gateway);
    ours_at.stop().await;
    other_at.stop().await;
}

async fn prepare(app: &TestApp) -> HashMap<&'static str, String> {
    life::prepare(app).await.into_iter().chain(administration::prepare(app).await).collect()
}

async fn app() -> (TestApp, Served) {
    let credentials = ["watch", "introspection"].map(|what| format!("--{what}-credentials={CREDENTIAL}"));
    let mut app = TestApp::with(&credentials.each_ref().map(String::as_str)).await;
    let served = app.serve().await;
    (app, served)
}

impl Side {
    async fn take(&mut self, step: &Step) -> Answered {
        let answered = step.asked(&self.said).send(&self.address).await;
        for (name, pointer) in step.keeps {
            let value = answered.value().and_then(|value| value.pointer(pointer)?.as_str().map(str::to_owned));
            self.said.insert(name, value.unwrap_or_else(|| panic!("{pointer} of {answered}")));
        }
        answered
    }
}

/// An answer without its random values. Both sides must have a value, which may differ.
fn masked(answered: &Answered) -> Answered {
    let mut masked = answered.clone();
    if let Some(mut values) = answered.values() {
        values.iter_mut().for_each(mask);
        masked.body = values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n").into_bytes();
    }
    for (name, value) in &mut masked.headers {
        if name == "token" {
            "<token>".clone_into(value);
        }
    }
    masked
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(list) => {
            // The gateway accepts a body with two usernames, and uses the last.
            list.retain(|value| value.get("username").is_none_or(|username| username != "carol"));
            list.iter_mut().for_each(mask);
        }
        Value::Object(map) => {
            for (name, value) in map {
                // The gateway's client has its own `user-agent`.
                let random = [
                    "id",
                    "accountId",
                    "firmId",
                    "sessionId",
                    "invitedBy",
                    "token",
                    "device",
                    "nextPageToken",
                    "passwordHash",
                    "clientLabel",
                    "secret",
                    "otpauthUri",
                    "qrSvg",
                ];
                if random.contains(&name.as_str()) && value.is_string() {
                    *value = Value::from("<random>");
                }
                mask(value);
            }
        }
        _ => {}
    }
}

/// The parts of an endless answer before its first heartbeat that must be equal: the expiry times of the revocations,
/// sorted, and the fields of the heartbeat. The server chooses the number of messages and their order.
async fn watched(address: &str, request: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = async {
        while !text.contains("\"completeUntil\"") {
            let mut bytes = [0; 4_096];
            let length = stream.read(&mut bytes).await.unwrap();
            assert!(length > 0, "the watch ended: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("a heartbeat");
    let (mut expiries, mut heartbeat) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| line.starts_with("{\"result\":")) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let result = line["result"].as_object().unwrap();
        for revocation in result.get("revocations").and_then(Value::as_array).into_iter().flatten() {
            expiries.push(revocation["expireTime"].to_string());
        }
        heartbeat = result.keys().cloned().collect();
    }
    expiries.sort();
    heartbeat.sort();
    [expiries, heartbeat].concat()
}
