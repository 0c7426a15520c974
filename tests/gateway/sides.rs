//! The two transcoders, each on its own sockets: ours over the echo in process, and the gateway as the process that
//! `.ci/run gateway` has built.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Body;
use countersign::rest::{self, Rpc};
use http_rule::{Rules, Transcoder};
use hyper_util::rt::TokioIo;
use prost_reflect::DescriptorPool;
use tokio::net::TcpListener;

use crate::echo;
use crate::raw::{Answered, Asked};

/// The APIs of the tests' protos, each with the files of its rules.
pub const APIS: [(&str, &[&str]); 7] = [
    ("echo", &["transcoding/test/v1/echo.proto", "transcoding/test/v1/bodies.proto"]),
    ("resource_name", &["transcoding/published/resource_name/messaging.proto"]),
    ("query", &["transcoding/published/query/messaging.proto"]),
    ("body_field", &["transcoding/published/body_field/messaging.proto"]),
    ("body_star", &["transcoding/published/body_star/messaging.proto"]),
    ("additional", &["transcoding/published/additional/messaging.proto"]),
    ("selector", &["transcoding/published/selector/messaging.proto"]),
];

/// The two running transcoders, over one echo.
pub struct Sides {
    ours: HashMap<String, String>,
    gateway: Gateway,
    pub pool: DescriptorPool,
}

impl Sides {
    /// Starts both transcoders over the echo.
    pub async fn start(gateway: &str) -> Self {
        let all: Vec<_> = APIS.iter().flat_map(|(_, files)| files.iter().copied()).collect();
        let pool = DescriptorPool::decode(descriptors(&all).as_slice()).unwrap();
        let echo = echo::serve(pool.clone()).await;
        let gateway = Gateway::start(gateway, &["-echo", &echo]);
        let mut ours = HashMap::new();
        for (api, files) in APIS {
            let pool = pool.clone();
            let rpc = Rpc::new(move |request| {
                let pool = pool.clone();
                Box::pin(async move { Ok(echo::answer(pool, request).await) })
            });
            let rules = Rules::read(&descriptors(files)).unwrap();
            let transcoder = Transcoder::new(rules, rpc, rest::options());
            ours.insert(api.to_owned(), serve(transcoder).await);
        }
        Self { ours, gateway, pool }
    }

    /// The answers of ours and of the gateway to the same request.
    pub async fn ask(&self, asked: &Asked) -> (Answered, Answered) {
        tokio::join!(asked.send(&self.ours[asked.api]), asked.send(self.gateway.address(asked.api)))
    }
}

/// The encoded descriptor set of some of the tests' protos.
fn descriptors(files: &[&str]) -> Vec<u8> {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/proto");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let mut compiler = protox::Compiler::new([tests, ours]).unwrap();
    // The detail messages of statuses, which are needed to write them as JSON.
    let details = ["google/rpc/status.proto", "google/rpc/error_details.proto"];
    compiler.include_imports(true).open_files(files).unwrap().open_files(details).unwrap();
    compiler.encode_file_descriptor_set()
}

async fn serve(transcoder: Transcoder<Rpc>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let transcoder = Arc::new(transcoder);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let transcoder = Arc::clone(&transcoder);
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let transcoder = Arc::clone(&transcoder);
                    async move { Ok::<_, Infallible>(transcoder.answer(request.map(Body::new)).await) }
                });
                // A request that is no HTTP ends its connection with an error. The test sees the answer.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// The process of the gateway. It ends when its standard input does, so it ends with the test, whatever the cause.
pub struct Gateway {
    addresses: HashMap<String, String>,
    process: Child,
}

impl Gateway {
    /// Starts the gateway and waits until it listens.
    pub fn start(binary: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{binary}: {error}"));
        let mut addresses = HashMap::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((name, address)) = line.split_once(' ') else { return Self { addresses, process } };
            addresses.insert(name.to_owned(), address.to_owned());
        }
        panic!("the gateway ended before it was ready");
    }

    pub fn address(&self, api: &str) -> &str {
        &self.addresses[api]
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
