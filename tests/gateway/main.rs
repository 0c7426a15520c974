//! REST by annotation, checked against the examples of `google/api/http.proto`, and against grpc-gateway, which is
//! generated from the same protos and gets the same requests. `.ci/run gateway` builds the gateway, sets `GATEWAY` to
//! its path, and runs this. Separate from `it` because it needs Go.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod administration;
mod differ;
mod differences;
mod echo;
mod evidence;
mod generate;
mod life;
mod published;
mod raw;
mod real;
mod rules;
#[path = "../runs/mod.rs"]
#[expect(dead_code, reason = "the other longer runs use the rest")]
mod runs;
mod second_factor;
mod sides;
mod steps;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "`it` uses the rest")]
mod support;
mod table;
mod texts;

use differ::Account;
use runs::{either, part};
use sides::{APIS, Sides};

#[expect(clippy::disallowed_methods, reason = "where a test finds a program is no setting of the product")]
fn main() {
    let gateway = std::env::var("GATEWAY").expect("GATEWAY is the gateway's program: see `.ci/run gateway`");
    runs::run("gateway", async {
        let sides = Sides::start(&gateway).await;
        part("the examples of http.proto", published::examples(&sides)).await;
        let mut account = Account::default();
        account.routes.add(&sides.pool, "echo", "transcoding.test.");
        for (api, _) in &APIS[1..] {
            account.routes.add(&sides.pool, api, &format!("transcoding.published.{api}."));
        }
        part("the requests of the table", account.compare(&sides, table::rows())).await;
        part("the examples, on both sides", account.compare(&sides, published::rows())).await;
        let generated = generate::requests(&sides.pool, either(2_000, 20_000));
        part("generated requests", account.compare(&sides, generated)).await;
        part("our own rules", real::conversation(&gateway, &mut account)).await;
        account.close();
    });
}
