//! A gRPC service that is also served as REST, on `127.0.0.1:8080` or on `LISTEN_ADDR`:
//!
//! ```text
//! cargo run --example library
//! curl -d '{"title": "Emma", "year": 1815}' -H 'content-type: application/json' 127.0.0.1:8080/v1/books
//! curl 127.0.0.1:8080/v1/books/1
//! curl 127.0.0.1:8080/v1/books/2
//! ```

#![expect(clippy::disallowed_methods, reason = "a process of its own, with a setting of its own")]

mod service;

use std::error::Error;

use http_rule::{Options, Rules, Transcoder};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::service_fn;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let library = service::Library::default();
    let grpc = service_fn(move |request| library.clone().serve(request));
    let rest = Transcoder::new(Rules::read(&service::descriptors()?)?, grpc, Options::default());
    let address = std::env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/v1/books", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(rest.clone());
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("{error}");
            }
        });
    }
}
