//! One request against sockets that answer well, badly, too much or nothing, with TLS and without.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{Client, max_age};
use crate::jwks::JwksError;

/// Reads the head of a request, and writes the answer, as far as the client wants it.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(head).unwrap()
}

/// Makes one request to a server with this answer. Returns the result, and the head of the request.
async fn get(response: Vec<u8>) -> (Result<(Vec<u8>, Option<u64>), String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys?of=us", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { answer(listener.accept().await.unwrap().0, &response).await });
    let got = Client::new(&url).unwrap().get().await;
    let got =
        got.map(|answer| (answer.body, answer.max_age.map(|age| age.as_secs()))).map_err(|error| error.to_string());
    (got, server.await.unwrap())
}

fn response(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body.as_ref()].concat()
}

#[tokio::test]
async fn an_answer_is_read_in_each_form_of_http() {
    let chunked = "200 OK\r\ntransfer-encoding: chunked\r\ncache-control: max-age=900";
    for (name, response, expected) in [
        ("with a length", response("200 OK\r\ncontent-length: 2", "{}"), (b"{}".to_vec(), None)),
        ("to the end", response("200 OK\r\ncache-control: max-age=60", "{}"), (b"{}".to_vec(), Some(60))),
        ("in chunks", response(chunked, "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), (b"{}".to_vec(), Some(900))),
        ("as long as may be", response("200 OK", vec![b' '; 1 << 20]), (vec![b' '; 1 << 20], None)),
    ] {
        let (got, head) = get(response).await;
        assert_eq!(got, Ok(expected), "{name}");
        assert!(head.starts_with("GET /keys?of=us HTTP/1.1\r\n"), "{head}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_refused_and_only_a_mebibyte_of_it_is_read() {
    let moved = "302 Found\r\nlocation: https://elsewhere.example/keys\r\ncontent-length: 2";
    let huge = vec![b' '; 10 << 20];
    for (response, expected) in [
        (response(moved, "{}"), "the issuer answered 302 Found; the address must be that of the key set itself"),
        (response("404 Not Found", "{}"), "the issuer answered 404 Not Found;"),
        (response("204 No Content", ""), "the issuer answered 204 No Content;"),
        (response("503 Unavailable", "{}"), "the issuer answered 503"),
        (response("200 OK", &huge), "has more than 1 MiB"),
        (response("200 OK\r\ncontent-length: 10485760", &huge), "has more than 1 MiB"),
        (response("200 OK\r\ncontent-length: 1048577", "{}"), "has more than 1 MiB"),
        (response("200 OK\r\ncontent-length: 10", "{}"), "broke off"),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), "the issuer did not answer"),
        (response(&format!("200 OK\r\nx: {}", "x".repeat(1 << 20)), "{}"), "the issuer did not answer"),
        (Vec::new(), "the issuer did not answer"),
    ] {
        let (got, _) = get(response).await;
        let error = got.unwrap_err();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Client::new(&format!("http://{nobody}/")).unwrap().get().await.unwrap_err().to_string();
    assert!(error.starts_with("the issuer cannot be reached: "), "{error}");
}

#[tokio::test]
async fn https_needs_a_certificate_of_a_trusted_authority_for_that_host() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
                answer(stream, &response("200 OK\r\ncontent-length: 2", "{}")).await;
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trusted = Client::trusting(roots.clone(), &format!("https://localhost:{port}/")).unwrap();
    assert_eq!(trusted.get().await.unwrap().body, b"{}");
    let other_host = Client::trusting(roots, &format!("https://127.0.0.1:{port}/")).unwrap();
    let untrusted = Client::new(&format!("https://localhost:{port}/")).unwrap();
    for client in [other_host, untrusted] {
        let error = client.get().await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
}

#[test]
fn an_address_has_a_scheme_and_a_host_and_no_user() {
    for good in
        ["http://127.0.0.1:3008/keys", "https://auth.example.com", "http://[::1]:80/", "HTTPS://AUTH.example.com/a?b"]
    {
        assert!(Client::new(good).is_ok(), "{good}");
    }
    assert_eq!(
        Client::new("http://[::1]/").map(|client| (client.host, client.port)).ok(),
        Some(("::1".to_owned(), 80))
    );
    for bad in [
        "",
        "auth.example.com",
        "/keys",
        "http://",
        "http:///keys",
        "ftp://auth.example.com/keys",
        "file:///etc/keys",
        "https://ada:secret@auth.example.com/",
        "https://auth example.com/",
        "https://-/ /",
    ] {
        assert_eq!(Client::new(bad).err(), Some(JwksError::InvalidUrl), "{bad}");
    }
}

#[test]
fn the_age_of_an_answer_is_read_from_its_headers() {
    for (headers, expected) in [
        (&[][..], None),
        (&[("cache-control", "public, max-age=900")], Some(900)),
        (&[("cache-control", "Max-Age=\"60\"")], Some(60)),
        (&[("cache-control", "no-store"), ("cache-control", "max-age=60")], Some(60)),
        (&[("cache-control", "max-age=900"), ("age", "890")], Some(10)),
        (&[("cache-control", "max-age=900"), ("age", "1000")], Some(0)),
        (&[("cache-control", "max-age=900"), ("age", "old")], Some(900)),
        (&[("cache-control", "s-maxage=1, max-age=2")], Some(2)),
        (&[("cache-control", "max-age=-1")], None),
        (&[("cache-control", "max-age")], None),
        (&[("cache-control", "max-age=99999999999999999999")], None),
    ] {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(max_age(&map), expected.map(Duration::from_secs), "{headers:?}");
    }
}
