//! Many callers register the same name at the same moment, by every protocol, in several spellings, on all replicas.
//! Exactly one gets it, and all others are told that it is taken.

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LoginRequest, RegisterRequest, login_request, register_request};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::replica::{Cluster, REPLICAS, Replica};
use crate::runs::{Times, either, millis};
use crate::support::http::call;

/// A caller that wants the name. Its password is different from the others', and later shows whose account it is.
#[derive(Clone)]
struct Racer {
    by_grpc: bool,
    is_email: bool,
    /// The name in the spelling of this caller.
    name: String,
    password: String,
}

/// `Err` if the name was taken, and the answer said so as its protocol requires.
type Outcome = Result<(), ()>;

pub async fn races(cluster: &Cluster) {
    let (mut took, mut winners) = (Times::default(), [0; 2]);
    for round in 0..either(20, 200) {
        let is_email = round % 2 == 1;
        let name = if is_email { format!("race{round}@example.com") } else { format!("race {round}") };
        let spellings = [name.clone(), name.to_uppercase(), format!(" {name}  ")];
        let mut racers = Vec::new();
        for at in 0..2 * REPLICAS {
            let name = spellings[(round + at + at / REPLICAS) % spellings.len()].clone();
            racers.push(Racer { by_grpc: at < REPLICAS, is_email, name, password: format!("pass word {at}") });
        }
        let mut running = JoinSet::new();
        let begun = std::time::Instant::now();
        for (at, racer) in racers.iter().cloned().enumerate() {
            let replica = cluster.replicas()[at % REPLICAS].clone();
            running.spawn(async move { (at, racer.register(&replica).await) });
        }
        let outcomes = running.join_all().await;
        took.push(begun.elapsed());
        let won: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(at, _)| *at).collect();
        assert_eq!(won.len(), 1, "{name}: {} of {} were told that it is theirs", won.len(), outcomes.len());
        winners[usize::from(racers[won[0]].by_grpc)] += 1;

        // The account belongs to the winner on every replica.
        let replicas = cluster.replicas();
        for (at, replica) in replicas.iter().enumerate() {
            let asked = if at == round % REPLICAS { won[0] } else { (won[0] + 1 + at) % racers.len() };
            let signed_in = racers[asked].signs_in(&name, replica).await;
            assert_eq!(signed_in, asked == won[0], "{name}: the password of {asked}, when {} won", won[0]);
        }
        let accounts: i64 = sqlx::query_scalar("select count(*) from accounts where $1 in (username, email)")
            .bind(&name)
            .fetch_one(&mut cluster.database.connect().await)
            .await
            .unwrap();
        assert_eq!(accounts, 1, "{name}");
    }
    println!(
        "   {} names, {} racers each; won over REST {}, over gRPC {}; a race took p50 {}",
        took.len(),
        2 * REPLICAS,
        winners[0],
        winners[1],
        millis(took.quantile(0.5))
    );
}

impl Racer {
    async fn register(&self, replica: &Replica) -> Outcome {
        if self.by_grpc { self.register_by_grpc(replica).await } else { self.register_by_rest(replica).await }
    }

    async fn register_by_grpc(&self, replica: &Replica) -> Outcome {
        let (name, password) = (self.name.clone(), self.password.clone());
        let message = if self.is_email {
            let handle = Some(register_request::Handle::Email(name));
            RegisterRequest { handle, password, name: "Ada".to_owned(), firm_name: "Engines".to_owned() }
        } else {
            let handle = Some(register_request::Handle::Username(name));
            RegisterRequest { handle, password, ..RegisterRequest::default() }
        };
        match AuthServiceClient::new(replica.channel()).register(message).await {
            Ok(answer) => {
                assert_eq!(answer.into_inner().token.is_empty(), self.is_email);
                Ok(())
            }
            Err(status) => {
                let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
                assert_eq!((status.code(), &*reason), (Code::AlreadyExists, "HANDLE_TAKEN"), "{status:?}");
                Err(())
            }
        }
    }

    async fn register_by_rest(&self, replica: &Replica) -> Outcome {
        let (path, body) = if self.is_email {
            let person =
                json!({ "email": self.name, "password": self.password, "name": "Ada", "firm_name": "Engines" });
            ("/auth/register", person)
        } else {
            ("/api/auth/register", json!({ "username": self.name, "password": self.password }))
        };
        let answer = call(replica.address(), Method::POST, path, &[], &body).await.unwrap();
        let code = answer.json()["error_code"].clone();
        match (self.is_email, answer.status.as_u16()) {
            (true, 201) | (false, 200) => Ok(()),
            (true, 400) if code == "email_already_exists" => Err(()),
            (false, 409) => {
                assert_eq!(answer.json()["statusCode"], Value::from(409));
                Err(())
            }
            _ => panic!("{answer:?}"),
        }
    }

    async fn signs_in(&self, name: &str, replica: &Replica) -> bool {
        let handle = Some(if self.is_email {
            login_request::Handle::Email(name.to_owned())
        } else {
            login_request::Handle::Username(name.to_owned())
        });
        let message = LoginRequest { handle, password: self.password.clone(), device: String::new() };
        match AuthServiceClient::new(replica.channel()).login(message).await {
            Ok(_) => true,
            Err(status) => {
                assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
                false
            }
        }
    }
}
