//! TLS on the one port: all calls are answered as without TLS, certificates are replaced while the server runs, and a
//! peer that does not finish its handshake is disconnected.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{ListSessionsRequest, RegisterRequest, register_request};
use countersign::server::Limits;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ProtocolVersion};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::sockets::{Raw, SOON, post};
use crate::support::app::Served;
use crate::support::tls::{Authority, Files, Pair, connect, shown};
use crate::support::{PASSWORD, TestApp};
use crate::wire::eventually;

/// A limit for tests that wait until it is reached.
const SHORT: Duration = Duration::from_millis(200);
const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A server with a certificate, and what a client needs to connect.
struct Secured {
    authority: Authority,
    files: Files,
    served: Served,
    _app: TestApp,
    _dir: tempfile::TempDir,
}

impl Secured {
    async fn start() -> Self {
        Self::with(Limits::default(), None).await
    }

    /// Starts it. `client_ca` is the authority of the client certificates.
    async fn with(limits: Limits, client_ca: Option<&Authority>) -> Self {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let files = Files::write(dir.path(), &authority.sign());
        let mut flags = files.flags().to_vec();
        if let Some(client_ca) = client_ca {
            std::fs::write(&files.client_ca, &client_ca.pem).unwrap();
            flags.push(format!("--tls-client-ca-file={}", files.client_ca.display()));
        }
        let mut app = TestApp::with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let limits = Limits { reread: Duration::from_millis(5), ..limits };
        let served = app.serve_with(limits).await;
        Self { authority, files, served, _app: app, _dir: dir }
    }

    fn address(&self) -> SocketAddr {
        self.served.address
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.address(), &self.authority.client()).await.unwrap()
    }

    /// Whether new connections soon get this certificate.
    async fn comes_to_show(&self, pair: &Pair) -> bool {
        eventually(SOON, async || shown(&self.connect().await) == der(pair)).await
    }
}

fn der(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()
}

/// Sends a request that asks for the end of the connection, and returns everything until then.
async fn ask(stream: &mut TlsStream<TcpStream>, request: impl AsRef<[u8]>) -> std::io::Result<String> {
    stream.write_all(request.as_ref()).await?;
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an end")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn is_served(stream: &mut TlsStream<TcpStream>) -> bool {
    ask(stream, HEALTHZ).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n"))
}

/// A gRPC channel over TLS. The client offers both protocols, as all clients do.
async fn channel(address: SocketAddr, mut config: ClientConfig) -> Result<Channel, tonic::transport::Error> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = tower::service_fn(move |_| {
        let config = config.clone();
        async move { connect(address, &config).await.map(TokioIo::new) }
    });
    Endpoint::from_static("https://localhost").connect_with_connector(connector).await
}

#[tokio::test]
async fn grpc_is_answered_and_knows_who_called() {
    let secured = Secured::start().await;
    let channel = channel(secured.address(), secured.authority.client()).await.unwrap();
    let handle = Some(register_request::Handle::Username("alice".to_owned()));
    let request = RegisterRequest { handle, password: PASSWORD.to_owned(), ..Default::default() };
    let token = AuthServiceClient::new(channel.clone()).register(request).await.unwrap().into_inner().token;
    let mut request = tonic::Request::new(ListSessionsRequest::default());
    request.metadata_mut().insert("token", token.parse().unwrap());
    let listed = SessionServiceClient::new(channel).list_sessions(request).await.unwrap();
    assert!(listed.metadata().contains_key("token"), "a fresh token");
    assert_eq!(listed.into_inner().sessions[0].client_address, "127.0.0.1");
}

#[tokio::test]
async fn json_is_answered_over_tls_1_2_and_over_1_3() {
    let secured = Secured::start().await;
    for (version, expected, name) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2, "alice"),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3, "bob"),
    ] {
        let config = secured.authority.client_with(&[version], None);
        let mut stream = connect(secured.address(), &config).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        let account = json!({ "username": name, "password": PASSWORD });
        let (head, body) = post("/api/auth/register", "connection: close\r\n", &account);
        let answer = ask(&mut stream, head + &body).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"token\":\"eyJ"), "{answer}");
        // The same rule as without TLS: exactly one host.
        let mut stream = connect(secured.address(), &config).await.unwrap();
        let answer = ask(&mut stream, "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[tokio::test]
async fn who_offers_a_protocol_gets_it_and_who_offers_none_speaks_http_1() {
    let secured = Secured::start().await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut config = secured.authority.client();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut stream = connect(secured.address(), &config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        if chosen == Some("h2") {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            let mut head = [0; 9];
            timeout(SOON, stream.read_exact(&mut head)).await.unwrap().unwrap();
            assert_eq!(head[3], 4, "its first frame is SETTINGS");
        } else {
            assert!(is_served(&mut stream).await, "{offered:?}");
        }
    }
    let mut config = secured.authority.client();
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    let error = connect(secured.address(), &config).await.unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn tls_1_1_is_refused() {
    let secured = Secured::start().await;
    // With the extension without which the server would refuse for another reason.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 1]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat();
    let answer = Raw::saying(secured.address(), record).await.until_closed(SOON).await;
    // An alert, fatal, protocol_version (RFC 8446 section 6).
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, 70]), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_the_old_ones_go_on() {
    let secured = Secured::start().await;
    let mut old = secured.connect().await;
    let new = secured.authority.sign();
    assert_ne!(shown(&old), der(&new));
    Files::write(secured.files.cert.parent().unwrap(), &new);
    assert!(secured.comes_to_show(&new).await);
    assert!(is_served(&mut old).await);
}

#[tokio::test]
async fn a_link_that_is_put_elsewhere_is_a_new_certificate() {
    // As Kubernetes does it: the files are links through a link to a folder, and only that link is replaced.
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let at = |name: &str| dir.path().join(name);
    let (first, second) = (authority.sign(), authority.sign());
    for (folder, pair) in [("1", &first), ("2", &second)] {
        std::fs::create_dir(at(folder)).unwrap();
        Files::write(&at(folder), pair);
    }
    let link = |target: &str| {
        std::os::unix::fs::symlink(target, at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
    };
    link("1");
    for name in ["cert.pem", "key.pem"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), at(name)).unwrap();
    }
    let files = Files { cert: at("cert.pem"), key: at("key.pem"), client_ca: at("none") };
    let [cert, key] = files.flags();
    let mut app = TestApp::with(&[&cert, &key]).await;
    let served = app.serve_with(Limits { reread: Duration::from_millis(5), ..Limits::default() }).await;
    let secured = Secured { authority, files, served, _app: app, _dir: tempfile::tempdir().unwrap() };
    assert_eq!(shown(&secured.connect().await), der(&first));
    link("2");
    assert!(secured.comes_to_show(&second).await);
}

#[tokio::test]
async fn what_is_no_pair_is_not_used_and_what_becomes_one_is() {
    let secured = Secured::start().await;
    let first = shown(&secured.connect().await);
    let new = secured.authority.sign();
    let stays = async |name: &str| {
        // The server looks at the files many times meanwhile.
        tokio::time::sleep(SHORT).await;
        assert_eq!(shown(&secured.connect().await), first, "{name}");
    };
    std::fs::write(&secured.files.cert, &new.cert[..new.cert.len() / 2]).unwrap();
    stays("half a certificate").await;
    std::fs::write(&secured.files.cert, &new.cert).unwrap();
    stays("a certificate whose key is not there yet").await;
    std::fs::remove_file(&secured.files.key).unwrap();
    stays("no key").await;
    std::fs::write(&secured.files.key, "").unwrap();
    stays("an empty key").await;
    std::fs::write(&secured.files.key, &new.key).unwrap();
    assert!(secured.comes_to_show(&new).await);
}

#[tokio::test]
async fn who_has_no_certificate_of_the_authority_is_refused_where_one_is_asked_for() {
    let clients = Authority::new();
    let secured = Secured::with(Limits::default(), Some(&clients)).await;
    let (known, stranger) = (clients.sign(), Authority::new().sign());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (name, own, served) in
            [("known", Some(&known), true), ("a stranger", Some(&stranger), false), ("none", None, false)]
        {
            let config = secured.authority.client_with(&[version], own);
            // A TLS 1.3 client hears of the refusal only after its own half of the handshake.
            let answered = match connect(secured.address(), &config).await {
                Ok(mut stream) => is_served(&mut stream).await,
                Err(_) => false,
            };
            assert_eq!(answered, served, "{name}, {version:?}");
        }
    }
    assert!(
        channel(secured.address(), secured.authority.client_with(rustls::DEFAULT_VERSIONS, Some(&known))).await.is_ok()
    );
}

#[tokio::test]
async fn an_authority_of_clients_is_replaced_too_and_nothing_of_the_old_one_is_resumed() {
    let (before, after) = (Authority::new(), Authority::new());
    let secured = Secured::with(Limits::default(), Some(&before)).await;
    // One configuration, so that the client could resume its session.
    let old = secured.authority.client_with(rustls::DEFAULT_VERSIONS, Some(&before.sign()));
    let new = secured.authority.client_with(rustls::DEFAULT_VERSIONS, Some(&after.sign()));
    let is_in = async |config: &ClientConfig| match connect(secured.address(), config).await {
        Ok(mut stream) => is_served(&mut stream).await,
        Err(_) => false,
    };
    assert!(is_in(&old).await && !is_in(&new).await);
    std::fs::write(&secured.files.client_ca, &after.pem).unwrap();
    assert!(eventually(SOON, async || is_in(&new).await).await);
    assert!(!is_in(&old).await);
}

#[tokio::test]
async fn who_speaks_in_the_clear_is_told_to_use_https() {
    let secured = Secured::start().await;
    for said in
        [HEALTHZ, "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{", "PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut raw = Raw::saying(secured.address(), said).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (400, Some("text/plain")), "{said:?}");
        assert_eq!(answer.body, "This port speaks TLS: use https://\n");
        assert_eq!(raw.take(1).await, None, "nothing follows");
    }
    // The server goes on reading what the client sends. A reset would take the answer from some clients.
    let mut stream = TcpStream::connect(secured.address()).await.unwrap();
    stream.write_all(b"POST /auth/login HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 ") && answer.ends_with(b"use https://\n"));
    for _ in 0..20 {
        stream.write_all(&[b'x'; 1_024]).await.unwrap();
        tokio::time::sleep(SHORT / 20).await;
    }
    // Bytes that are neither TLS nor HTTP get no answer.
    assert_eq!(Raw::saying(secured.address(), [0x80, 0x2e, 1, 0, 2]).await.until_closed(SOON).await, b"");
}

/// Peers that do not finish the beginning: no bytes, one byte, half a hello, and a handshake with nothing or too little
/// after it.
async fn hesitant(secured: &Secured) -> (Vec<Raw>, Vec<TlsStream<TcpStream>>) {
    let mut raw = Vec::new();
    for said in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]] {
        raw.push(Raw::saying(secured.address(), said).await);
    }
    let mut shaken = Vec::new();
    for (protocol, said) in [("http/1.1", ""), ("http/1.1", "GET /"), ("h2", ""), ("h2", "PRI * HTTP/2.0\r\n")] {
        let mut config = secured.authority.client();
        config.alpn_protocols = vec![protocol.into()];
        let mut stream = connect(secured.address(), &config).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        shaken.push(stream);
    }
    (raw, shaken)
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_handshake_or_say_enough_is_hung_up_on() {
    let secured = Secured::with(Limits { first_bytes: 5 * SHORT, ..Limits::default() }, None).await;
    let begun = Instant::now();
    let (raw, shaken) = hesitant(&secured).await;
    // The slow peers delay no other client.
    assert!(is_served(&mut secured.connect().await).await);
    for mut raw in raw {
        raw.until_closed(SOON).await;
    }
    for mut stream in shaken {
        // The server may reset such a connection, or close it without a TLS goodbye.
        let _ = timeout(SOON, stream.read_to_end(&mut Vec::new())).await.expect("an end");
    }
    let took = begun.elapsed();
    assert!(took >= 4 * SHORT && took < 50 * SHORT, "{took:?}");
}

#[tokio::test]
async fn a_peer_that_has_not_begun_does_not_hold_up_the_end() {
    let secured = Secured::start().await;
    let (_raw, _shaken) = hesitant(&secured).await;
    // The server accepts in order, so after this answer it knows the slow peers.
    assert!(is_served(&mut secured.connect().await).await);
    let mut idle = secured.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 9]).await.unwrap();
    let begun = Instant::now();
    timeout(SOON, secured.served.stop()).await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
