//! Unary calls of a service: what is sent, and how answers of every form are read.

#![cfg(test)]

use std::convert::Infallible;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use http_rule::unary;
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::service_fn;

/// A message of this text, as gRPC sends it.
fn framed(text: &str) -> Vec<u8> {
    let message = text.to_owned().encode_to_vec();
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.len().try_into().unwrap());
    bytes.put_slice(&message);
    bytes.to_vec()
}

/// Calls a service that answers with this status and header, these parts of a body, and these trailers.
async fn call(
    status: StatusCode,
    header: (&'static str, &'static str),
    parts: &[&[u8]],
    trailers: &[(&'static str, &'static str)],
) -> Result<tonic::Response<String>, Status> {
    let data = parts.iter().map(|part| Frame::data(Bytes::copy_from_slice(part)));
    let trailers: HeaderMap =
        trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let end = Some(Frame::trailers(trailers)).filter(|frame| frame.trailers_ref().is_some_and(|all| !all.is_empty()));
    let mut frames = Some(data.chain(end).map(Ok::<_, Infallible>).collect::<Vec<_>>());
    let mut service = service_fn(move |request: Request<Body>| {
        let frames = frames.take().unwrap();
        async move {
            let (head, body) = request.into_parts();
            assert_eq!((head.uri.path(), head.method.as_str()), ("/s.S/M", "POST"));
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert_eq!(head.headers["te"], "trailers");
            assert_eq!(head.headers["mark"], "m");
            assert_eq!(head.extensions.get(), Some(&7_u8));
            assert_eq!(body.collect().await.unwrap().to_bytes(), framed("question"));
            let response = Response::builder().status(status).header(header.0, header.1);
            Ok::<_, Infallible>(response.body(Body::new(StreamBody::new(stream::iter(frames)))).unwrap())
        }
    });
    let mut request = tonic::Request::new("question".to_owned());
    request.metadata_mut().insert("mark", "m".parse().unwrap());
    request.extensions_mut().insert(7_u8);
    unary(&mut service, PathAndQuery::from_static("/s.S/M"), request, String::new()).await
}

#[tokio::test]
async fn an_answer_is_read_in_one_part_or_in_many_with_its_metadata() {
    let bytes = framed("answer");
    let parts: Vec<_> = bytes.chunks(1).collect();
    for parts in [&[&bytes[..]][..], &parts] {
        let answer = call(StatusCode::OK, ("token", "t"), parts, &[("grpc-status", "0"), ("late", "l")]).await.unwrap();
        assert_eq!(answer.metadata().as_ref()["token"], "t");
        assert_eq!(answer.metadata().as_ref()["late"], "l");
        assert_eq!(answer.into_inner(), "answer");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_a_failure_with_its_metadata() {
    let (bytes, ok) = (framed("answer"), [("grpc-status", "0")]);
    let (compressed, long) = ([&[1], &bytes[1..]].concat(), vec![0; 5 * 1_024 * 1_024]);
    let token = ("token", "t");
    for (name, http, header, body, trailers, code) in [
        ("in the headers", 200, ("grpc-status", "5"), &[][..], &[][..], Code::NotFound),
        ("in the trailers", 200, token, &[], &[("grpc-status", "16")], Code::Unauthenticated),
        ("after a message", 200, token, &bytes, &[("grpc-status", "8")], Code::ResourceExhausted),
        ("nothing", 200, token, &[], &ok, Code::Internal),
        ("half a message", 200, token, &bytes[..7], &ok, Code::Internal),
        ("two messages", 200, token, &[&bytes[..], &bytes].concat(), &ok, Code::Internal),
        ("compressed", 200, token, &compressed, &ok, Code::Internal),
        ("too long", 200, token, &long, &ok, Code::OutOfRange),
        ("no gRPC", 503, token, &[], &[], Code::Unavailable),
        ("no gRPC either", 404, token, &[], &[], Code::Unimplemented),
    ] {
        let failure = call(StatusCode::from_u16(http).unwrap(), header, &[body], trailers).await.unwrap_err();
        assert_eq!(failure.code(), code, "{name}: {failure:?}");
        if trailers.len() == 1 && trailers[0].1 != "0" {
            assert_eq!(failure.metadata().as_ref()["token"], "t", "{name}");
        }
    }
}
