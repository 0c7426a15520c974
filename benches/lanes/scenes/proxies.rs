//! The real proxies, with the configurations of `examples/proxies`, and oauth2-proxy. Separate from the scenes because
//! it only starts them.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::harness::Process;
use crate::harness::process::setting;

/// What tokens say about their issuer and their audience, which oauth2-proxy requires.
pub const ISSUER: &str = "https://auth.example.com";
pub const AUDIENCE: &str = "neighbours";

/// A route of Envoy to the same service without a question.
const ALONE: &str = r#"- match: {prefix: "/alone/"}
                route: {cluster: app}
                typed_per_filter_config:
                  envoy.filters.http.ext_authz:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                    disabled: true
              - match: {prefix: "/public/"}"#;

/// Locations of nginx: the same service without a question, with a question to a server that says yes to everything,
/// and with one to oauth2-proxy.
const LOCATIONS: &str = r#"location /alone/ {
        proxy_pass http://127.0.0.1:9000;
    }

    location = /yes {
        internal;
        proxy_pass http://yes;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }

    location /yes/ {
        auth_request /yes;
        proxy_pass http://127.0.0.1:9000;
    }

    location = /oauth2/auth {
        internal;
        proxy_pass http://oauth2;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-Uri $request_uri;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }

    location /oauth2-proxy/ {
        auth_request /oauth2/auth;
        auth_request_set $user $upstream_http_x_auth_request_user;
        proxy_set_header X-User $user;
        proxy_pass http://127.0.0.1:9000;
    }

    location /public/ {"#;

/// The program that a variable names. Says loudly that it is missing.
pub fn program(variable: &str) -> Option<Command> {
    let named = setting(variable);
    if named.is_none() {
        println!("!! SKIPPED: {variable} names no program");
    }
    named.map(Command::new)
}

/// A configuration of `examples/proxies`, with other texts in place of these.
fn configuration(name: &str, replaced: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxies").join(name);
    replaced.iter().fold(fs::read_to_string(file).unwrap(), |text, (written, ours)| {
        assert!(text.contains(written), "{name} has no {written}");
        text.replace(written, ours)
    })
}

/// Starts Envoy, which asks this server, in front of this service.
pub fn envoy(folder: &Path, server: SocketAddr, app: SocketAddr) -> Option<Process> {
    let envoy = program("ENVOY")?;
    Some(Process::of_others(folder, |address| {
        let [own, server, app] = [address, server, app].map(|address| format!("port_value: {}", address.port()));
        let ports = [("port_value: 3008", &*server), ("port_value: 8080", &*own), ("port_value: 9000", &*app)];
        let text = configuration("envoy.yaml", &[&ports[..], &[(r#"- match: {prefix: "/public/"}"#, ALONE)]].concat());
        let file = folder.join("envoy.yaml");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(envoy.get_program());
        command.arg("-c").arg(file).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "error"]);
        command
    }))
}

/// Starts nginx, which asks this server or oauth2-proxy, in front of this service.
pub fn nginx(folder: &Path, server: SocketAddr, oauth2: Option<SocketAddr>, app: SocketAddr) -> Option<Process> {
    let nginx = program("NGINX")?;
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        write!(temporary, "{kind}_temp_path {}/{kind};", folder.display()).unwrap();
    }
    // Where there is no oauth2-proxy, nothing asks it.
    let oauth2 = oauth2.unwrap_or(server);
    Some(Process::of_others(folder, |address| {
        let [own, server, app] = [address, server, app].map(|address| address.to_string());
        let addresses = [
            ("127.0.0.1:3008", &*server),
            ("127.0.0.1:8080", &*own),
            ("location /public/ {", LOCATIONS),
            ("127.0.0.1:9000", &*app),
        ];
        let text = configuration("nginx.conf", &addresses);
        let shown = folder.display();
        let text = format!(
            "daemon off; master_process off; pid {shown}/pid; error_log {shown}/error.log; events {{}}
             http {{ access_log off; {temporary} upstream oauth2 {{ server {oauth2}; keepalive 8; }}
             upstream yes {{ server {app}; keepalive 8; }} {text} }}"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(nginx.get_program());
        command.arg("-p").arg(folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(file);
        command
    }))
}

/// Starts oauth2-proxy, which takes tokens of this server and cookies of its own, for the user "u" of a file.
pub fn oauth2_proxy(folder: &Path, server: SocketAddr) -> Option<Process> {
    let oauth2 = program("OAUTH2_PROXY")?;
    let users = folder.join("users");
    // The password is s3cur3pass.
    fs::write(&users, "u:{SHA}j2j5R8WWmn0Yt6m89tzhl5CxSro=\n").unwrap();
    Some(Process::of_others(folder, |address| {
        let mut command = Command::new(oauth2.get_program());
        command.arg(format!("--http-address={address}"));
        command.arg(format!("--oidc-issuer-url={ISSUER}")).arg(format!("--client-id={AUDIENCE}"));
        command.arg(format!("--oidc-jwks-url=http://{server}/.well-known/jwks.json"));
        command.arg(format!("--htpasswd-file={}", users.display())).arg("--oidc-enabled-signing-alg=ES256");
        command.args([
            "--provider=oidc",
            "--skip-oidc-discovery",
            "--skip-jwt-bearer-tokens",
            "--oidc-email-claim=sub",
        ]);
        command.args(["--login-url=http://127.0.0.1:9/", "--redeem-url=http://127.0.0.1:9/", "--client-secret=unused"]);
        command.args(["--cookie-secret=a secret of 32 bytes for cookies", "--cookie-secure=false", "--email-domain=*"]);
        command.args([
            "--reverse-proxy",
            "--trusted-proxy-ip=127.0.0.1",
            "--set-xauthrequest",
            "--upstream=static://202",
        ]);
        command.args(["--request-logging=false", "--auth-logging=false", "--standard-logging=false"]);
        command
    }))
}
