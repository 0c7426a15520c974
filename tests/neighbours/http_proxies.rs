//! The proxies that ask `/v1/forward-auth/{policy}`.

use std::fmt::Write as _;

use crate::proxy::{Proxy, Server, configure, free_address, program};
use crate::scenes::{Traits, play};
use crate::service::over_http;

#[tokio::test]
async fn nginx_guards_a_service() {
    let (server, address, app) = (Server::start(), free_address().await, over_http().await);
    let folder = server.dir.path().to_owned();
    let ours = [
        ("127.0.0.1:3008", server.address().to_string()),
        ("127.0.0.1:8080", address.to_string()),
        ("127.0.0.1:9000", app.to_string()),
    ];
    let servers = configure(&folder, "nginx.conf", &ours);
    let shown = folder.display();
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        write!(temporary, "{kind}_temp_path {shown}/{kind};").unwrap();
    }
    let config = format!(
        "daemon off; master_process off; pid {shown}/pid; error_log {shown}/error.log info; events {{}}
         http {{ access_log off; {temporary} include {}; }}",
        servers.display()
    );
    let main = folder.join("main.conf");
    std::fs::write(&main, config).unwrap();
    let mut nginx = program("NGINX", "nginx");
    nginx.arg("-p").arg(&folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(main);
    let Some(proxy) = Proxy::start("nginx", address, nginx).await else { return };
    play(server, proxy, &Traits { hands_on: true, keeps_token: false, tells_reason: false, away: 503 }).await;
}

#[tokio::test]
async fn caddy_guards_a_service() {
    let (server, address, app) = (Server::start(), free_address().await, over_http().await);
    let ours = [
        ("127.0.0.1:3008", server.address().to_string()),
        ("\n:8080", format!("\nhttp://{address}")),
        ("127.0.0.1:9000", app.to_string()),
    ];
    let sites = configure(server.dir.path(), "Caddyfile", &ours);
    let text = std::fs::read_to_string(&sites).unwrap();
    // It must not listen elsewhere, or ask for certificates.
    std::fs::write(&sites, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}")).unwrap();
    let mut caddy = program("CADDY", "caddy");
    caddy.env("HOME", server.dir.path()).args(["run", "--adapter", "caddyfile", "--config"]).arg(sites);
    let Some(proxy) = Proxy::start("Caddy", address, caddy).await else { return };
    play(server, proxy, &Traits { hands_on: true, keeps_token: false, tells_reason: true, away: 502 }).await;
}

#[tokio::test]
async fn haproxy_guards_a_service() {
    let (server, address, app) = (Server::start(), free_address().await, over_http().await);
    let ours = [("127.0.0.1:8080", address.to_string()), ("127.0.0.1:9000", app.to_string())];
    let config = configure(server.dir.path(), "haproxy.cfg", &ours);
    configure(server.dir.path(), "haproxy.lua", &[("127.0.0.1:3008", server.address().to_string())]);
    let mut haproxy = program("HAPROXY", "haproxy");
    haproxy.current_dir(server.dir.path()).arg("-db").arg("-f").arg(config);
    let Some(proxy) = Proxy::start("HAProxy", address, haproxy).await else { return };
    play(server, proxy, &Traits { hands_on: true, keeps_token: false, tells_reason: true, away: 503 }).await;
}

#[tokio::test]
async fn traefik_guards_a_service_that_hands_the_fresh_token_on() {
    let (server, address, app) = (Server::start(), free_address().await, over_http().await);
    let ours = [("127.0.0.1:3008", server.address().to_string()), ("127.0.0.1:9000", app.to_string())];
    let config = configure(server.dir.path(), "traefik-dynamic.yml", &ours);
    let mut traefik = program("TRAEFIK", "traefik");
    traefik.env("HOME", server.dir.path()).current_dir(server.dir.path());
    traefik.arg(format!("--providers.file.filename={}", config.display()));
    traefik.arg(format!("--entrypoints.web.address={address}"));
    for character in ["slash", "backslash"] {
        traefik.arg(format!("--entrypoints.web.http.encodedcharacters.allowencoded{character}=false"));
    }
    traefik.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
    let Some(proxy) = Proxy::start("Traefik", address, traefik).await else { return };
    play(server, proxy, &Traits { hands_on: false, keeps_token: true, tells_reason: true, away: 500 }).await;
}
