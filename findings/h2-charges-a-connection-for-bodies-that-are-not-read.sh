#!/usr/bin/env bash
#
# A gRPC server that refuses calls before it reads their messages loses the whole connection, with every other call on it,
# after some two thousand refusals. Since h2 0.4.16, a small message that comes after its call was answered counts against
# the connection. h2 0.4.15 did not count it.
#
# Why: h2 limits the small DATA frames that wait unread. Each is charged 256 bytes less its length, and the charge is given
# back when the frame is read, or dropped with the body that it is part of. If that body was dropped before the frame came,
# nobody gives the charge back. When the charges exceed a limit (25,600 bytes in 0.4.16, half of the connection's window
# in 0.4.20), h2 answers GOAWAY with ENHANCE_YOUR_CALM and "too_many_data_frames".
#
# Why it matters: a layer that checks tokens or rates answers early. A client that sends a call's message a moment after
# its headers, as any streaming call may, has done nothing wrong, and neither have the clients that share its connection
# through a proxy. So a server reads the rest of a body that it does not need, up to some length and for some time.
#
# The client makes calls without a token, which are refused, and watches the service's health with a token, on the same
# connection. What the server sends takes 20 ms, and a message follows its headers after 5 ms.
#
# Seen with tonic 0.14.9 and hyper 1.12.0, in their default settings, in 2,200 calls:
#   h2 0.4.15                    all are refused, and the watch goes on
#   h2 0.4.16                    51 are refused, then GOAWAY: the next call and the watch fail
#   h2 0.4.20                    2,089 are refused, then GOAWAY: the next call and the watch fail
#   h2 0.4.20, the rest is read  all are refused, and the watch goes on
# With 0.4.20, 5,000 calls whose messages came together with their headers did no harm.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/src" && cd "$work"
cat >src/main.rs <<'RUST'
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use tokio::io::{copy, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{server::TcpIncoming, Channel, Server};
use tonic::{service::Routes, Code, Request, Status};
use tonic_health::pb::{health_client::HealthClient, HealthCheckRequest, HealthCheckResponse};
use tower::Service as _;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The health service of tonic, behind a layer that refuses calls without a token.
async fn serve(listener: TcpListener, reads_rest: bool) -> Result<(), AnyError> {
    let layer = tower::layer::layer_fn(move |routes: Routes| {
        tower::service_fn(move |request: http::Request<Body>| {
            let mut routes = routes.clone();
            async move {
                if request.headers().contains_key("authorization") {
                    return routes.call(request).await;
                }
                if reads_rest {
                    let rest = Limited::new(request.into_body(), 65_536).collect();
                    tokio::spawn(timeout(Duration::from_secs(1), rest));
                }
                Ok(Status::unauthenticated("no token").into_http())
            }
        })
    });
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(layer).add_service(health);
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}

/// The network between client and server: what the server sends takes 20 milliseconds.
async fn relay(listener: TcpListener, server: SocketAddr) -> Result<(), AnyError> {
    let (client, server) = (listener.accept().await?.0, TcpStream::connect(server).await?);
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut bytes = [0; 65_536];
    while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
        sleep(Duration::from_millis(20)).await;
        to_client.write_all(&bytes[..length]).await?;
    }
    Ok(())
}

/// A call without a token that sends its message 5 milliseconds after its headers.
async fn call(channel: &Channel) -> Result<Status, AnyError> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await?;
    let message = tokio_stream::once(()).then(|()| async {
        sleep(Duration::from_millis(5)).await;
        HealthCheckRequest::default()
    });
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    Ok(client.client_streaming(Request::new(message), path, codec).await.unwrap_err())
}

/// Prints how many calls were refused, and how the watch fares.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let reads_rest = std::env::args().nth(1).as_deref() == Some("reads");
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let network = TcpListener::bind("127.0.0.1:0").await?;
    let (server_address, address) = (server.local_addr()?, network.local_addr()?);
    tokio::spawn(serve(server, reads_rest));
    tokio::spawn(relay(network, server_address));

    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut request = Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer token"));
    let mut watch = HealthClient::new(channel.clone()).watch(request).await?.into_inner();
    watch.message().await?;

    let mut refused = 0;
    while refused < 2_200 {
        let status = call(&channel).await?;
        if status.code() != Code::Unauthenticated {
            eprintln!("the call says: {status:?}");
            break;
        }
        refused += 1;
    }
    match timeout(Duration::from_millis(100), watch.message()).await {
        Err(_) => println!("{refused} open"),
        Ok(end) => {
            eprintln!("the watch says: {end:?}");
            println!("{refused} broken");
        }
    }
    Ok(())
}
RUST
for h2 in 0.4.15 0.4.16 0.4.20; do
    cat >Cargo.toml <<TOML
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
h2 = "=$h2"
http = "1"
http-body-util = "0.1"
hyper = "=1.12.0"
tokio = { version = "1", features = ["io-util", "macros", "net", "rt", "time"] }
tokio-stream = "0.1"
tonic = "=0.14.9"
tonic-health = "=0.14.9"
tonic-prost = "=0.14.9"
tower = { version = "0.5", features = ["util"] }
TOML
    CARGO_TARGET_DIR="$work/target" cargo build --quiet
    cp target/debug/finding "$h2"
done

# runs VERSION drops|reads: starts one in the background.
runs() { "./$1" "$2" >"$1-$2.out" 2>"$1-$2.err" & }
runs 0.4.15 drops
runs 0.4.16 drops
runs 0.4.20 drops
runs 0.4.20 reads
wait
for run in 0.4.15-drops 0.4.16-drops 0.4.20-drops 0.4.20-reads; do
    echo "$run: $(cat $run.out)"
    cat $run.err
done
[[ "$(cat 0.4.15-drops.out)" == "2200 open" && "$(cat 0.4.20-reads.out)" == "2200 open" ]]
read -r refused_16 watch_16 <0.4.16-drops.out
read -r refused_20 watch_20 <0.4.20-drops.out
[[ "$watch_16" == broken && "$watch_20" == broken ]]
((refused_16 < 150 && refused_20 < 2200))
grep -q too_many_data_frames 0.4.16-drops.err
grep -q too_many_data_frames 0.4.20-drops.err
echo "as found"
