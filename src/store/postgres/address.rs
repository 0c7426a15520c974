//! Reads the address of a database on a PostgreSQL server. The driver reads addresses as well, but it drops parameters
//! that it does not know, keeps the brackets of an IPv6 address, and may quote the password in its error.
//!
//! A parameter of PostgreSQL's own programs (libpq) that the driver does not know is dropped only where that is
//! harmless. To drop one that protects the connection would be dangerous.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::form_urlencoded;

use super::open::Server;
use crate::store::{BadServerUrl, OpenError};

/// How long the server may take to accept a connection at the start, unless `connect_timeout` says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The parameters that the driver knows.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The parameters of libpq that this file handles.
const HANDLED: [&str; 6] =
    ["connect_timeout", "target_session_attrs", "channel_binding", "client_encoding", "gssencmode", "sslnegotiation"];

/// The parameters of libpq that may be dropped: they save time or name something that is not used here.
const HARMLESS: [&str; 14] = [
    "fallback_application_name",
    "gssdelegation",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
];

/// The other parameters of libpq. They say where a password or a server is, or how strictly the server is checked.
const UNSUPPORTED: [&str; 17] = [
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslpassword",
    "oauth_issuer",
];

const NOT_SUPPORTED: &str = "is not supported: leave it out";

/// Parses an address: the driver's options, and how the server is called in messages.
pub(super) fn parse(url: &str) -> Result<(PgConnectOptions, Server), OpenError> {
    let bad = |why| Err(OpenError::BadServerUrl(why));
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let address = address.split('#').next().unwrap_or_default();
    let place = address.split_once("://").map_or("", |(_, rest)| rest);
    // A raw `/`, `?` or `#` in a password ends the host for a parser of URLs. The rest of the password would then
    // appear in messages as the name of a database.
    let whole = url.split_once("://").map_or("", |(_, rest)| rest);
    if whole.find(['/', '?', '#']).is_some_and(|end| whole[end..].contains('@')) {
        return bad(BadServerUrl::Password);
    }
    let authority = place.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.contains(',') {
        return bad(BadServerUrl::SeveralHosts);
    }
    let v6 = host.strip_prefix('[').and_then(|host| host.split_once(']')).map(|(host, _)| host);
    if v6.is_none() && host.matches(':').count() > 1 {
        return bad(BadServerUrl::Brackets);
    }

    let mut connect_timeout = CONNECT_TIMEOUT;
    let (mut kept, mut dropped) = (form_urlencoded::Serializer::new(String::new()), Vec::new());
    // The host of the parameter replaces that of the address, and has no brackets.
    if let Some(v6) = v6.filter(|v6| v6.parse::<Ipv6Addr>().is_ok()) {
        kept.append_pair("host", v6);
    }
    let query = query.split('#').next().unwrap_or_default();
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let value_of = |name| parameters.iter().find(|(at, _)| at == name).map(|(_, value)| &**value);
    for (name, value) in &parameters {
        match (&**name, &**value) {
            ("connect_timeout", seconds) => match seconds.parse::<i32>() {
                // libpq waits without a limit. This server has to come to an end.
                Ok(..=0) => {}
                Ok(seconds) => connect_timeout = Duration::from_secs(seconds.unsigned_abs().into()),
                Err(_) => return invalid("connect_timeout", "must be a number of seconds"),
            },
            // Every connection is required to be writable anyway.
            ("target_session_attrs", "any" | "read-write" | "primary") => {}
            ("target_session_attrs", _) => {
                return invalid(
                    "target_session_attrs",
                    "must be read-write, primary or any, because this service writes",
                );
            }
            ("channel_binding", "disable" | "prefer") => {}
            // The certificate keeps an attacker out of the middle, as the binding would.
            ("channel_binding", "require") if value_of("sslmode") == Some("verify-full") => dropped.push(&**name),
            ("channel_binding", _) => {
                return invalid(
                    "channel_binding",
                    "is not supported: leave it out, and use sslmode=verify-full, which protects from the same attack",
                );
            }
            ("client_encoding", encoding) if ["utf8", "utf-8", "auto"].contains(&&*encoding.to_lowercase()) => {}
            ("client_encoding", _) => return invalid("client_encoding", "must be UTF8"),
            ("gssencmode", "disable" | "prefer") | ("sslnegotiation", "postgres") => {}
            ("gssencmode", _) => return invalid("gssencmode", "is not supported: leave it out and use sslmode"),
            ("sslnegotiation", _) => return invalid("sslnegotiation", NOT_SUPPORTED),
            ("sslmode" | "ssl-mode", mode) if mode.parse::<PgSslMode>().is_err() => {
                return invalid("sslmode", "must be disable, allow, prefer, require, verify-ca or verify-full");
            }
            ("host" | "hostaddr" | "port", several) if several.contains(',') => return bad(BadServerUrl::SeveralHosts),
            ("port", port) if port.parse::<u16>().is_err() => return invalid("port", "must be a number up to 65535"),
            ("hostaddr", host) if host.parse::<IpAddr>().is_err() => {
                return invalid("hostaddr", "must be an IP address");
            }
            ("statement-cache-capacity", size) if size.parse::<usize>().is_err() => {
                return invalid("statement-cache-capacity", "must be a number");
            }
            (name, _) if HARMLESS.contains(&name) => dropped.push(name),
            (name, value) if KNOWN.contains(&name) || name.starts_with("options[") => {
                kept.append_pair(name, value);
            }
            (name, _) => {
                return Err(match UNSUPPORTED.iter().find(|at| **at == name) {
                    Some(name) => OpenError::Parameter { name, problem: NOT_SUPPORTED },
                    None => OpenError::UnknownParameter { name: name.to_owned(), meant: nearest(name) },
                });
            }
        }
    }
    let kept = kept.finish();
    let Ok(options) = PgConnectOptions::from_str(&format!("{address}?{kept}")) else {
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|_| v6.is_none() && !user.is_empty());
        let is_bad_port = port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err());
        return bad(if is_bad_port { BadServerUrl::Port } else { BadServerUrl::Password });
    };
    if options.get_host().contains(',') {
        return bad(BadServerUrl::SeveralHosts);
    }
    if options.get_database().is_none() {
        return bad(BadServerUrl::NoDatabase);
    }
    if !dropped.is_empty() {
        let parameters = dropped.join(", ");
        tracing::warn!(event = "database", parameters, "these parameters of DATABASE_URL have no effect here");
    }
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("countersign"),
    };
    let has_password = user.contains(':') || value_of("password").is_some();
    let server = Server::of(&options, connect_timeout, has_password);
    // Our logs contain no SQL.
    Ok((options.disable_statement_logging(), server))
}

fn invalid<T>(name: &'static str, problem: &'static str) -> Result<T, OpenError> {
    Err(OpenError::Parameter { name, problem })
}

/// Returns the parameter that a misspelt one was most likely meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    let all = KNOWN.iter().chain(&HANDLED).chain(&HARMLESS);
    let near = all.map(|&known| (strsim::osa_distance(name, known), known)).min()?;
    Some(near.1).filter(|_| near.0 <= 2)
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::parse;

    #[test]
    fn an_address_leads_to_its_server_whatever_harmless_parameters_it_has() {
        for (url, place) in [
            ("postgres://ada@[::1]:5433/db", "db at [::1]:5433"),
            ("postgres://ada@[2001:db8::7]/db", "db at [2001:db8::7]:5432"),
            ("postgresql://ada:a,b@db.example.com/db", "db at db.example.com:5432"),
            ("postgres://ada@h/db?connect_timeout=10&target_session_attrs=read-write", "db at h:5432"),
            ("postgres://ada@h/db?channel_binding=prefer&keepalives_idle=30&client_encoding=UTF8", "db at h:5432"),
            ("postgres://ada@h/db?host=other&port=5433&dbname=more", "more at other:5433"),
            ("postgres://ada@%2Frun%2Fpostgresql/db", "db at /run/postgresql"),
        ] {
            assert_eq!(parse(url).unwrap().1.database, place, "{url}");
        }
        let (options, _) = parse("postgres://a:b@h/db?channel_binding=require&sslmode=verify-full").unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        let (options, _) = parse("postgres://a@h/db?options=-c%20search_path%3Dlax&application_name=a%26b").unwrap();
        assert_eq!((options.get_options(), options.get_application_name()), (Some("-c search_path=lax"), Some("a&b")));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_of_the_part_that_is_wrong() {
        for (rest, part) in [
            ("ada:canary@a:5432,b:5432/db", "names several hosts"),
            ("ada:canary@a,b/db", "names several hosts"),
            ("ada:canary@a/db?host=b,c", "names several hosts"),
            ("ada:canary@a/db?hostaddr=10.0.0.1,10.0.0.2", "names several hosts"),
            ("ada:canary@a/db?port=1,2", "names several hosts"),
            ("ada:canary@::1:5432/db", "[::1]:5432"),
            ("ada:canary@a:54x/db", "the port is no number"),
            ("ada:canary@a", "names no database"),
            ("ada:can@ary@a/db?x=@", "%40"),
            ("ada:canary@a/db?sslmode=sometimes", "`sslmode` must be disable"),
            ("ada:canary@a/db?port=x", "`port` must be a number"),
            ("ada:canary@a/db?connect_timeout=5s", "`connect_timeout` must be a number of seconds"),
            ("ada:canary@a/db?target_session_attrs=standby", "`target_session_attrs` must be read-write"),
            ("ada:canary@a/db?channel_binding=require&sslmode=require", "sslmode=verify-full"),
            ("ada:canary@a/db?client_encoding=LATIN1", "`client_encoding` must be UTF8"),
            ("ada:canary@a/db?sslcrl=x", "`sslcrl` is not supported: leave it out"),
            ("ada:canary@a/db?service=x", "`service` is not supported"),
            ("ada:canary@a/db?conect_timeout=5", "did you mean `connect_timeout`?"),
            ("ada:canary@a/db?schema=public", "a parameter `schema` that is unknown"),
        ] {
            let Err(error) = parse(&format!("postgres://{rest}")) else { panic!("{rest} is an address") };
            let said = error.to_string();
            assert!(
                said.contains(part) && said.starts_with("DATABASE_URL") && !said.contains("canary"),
                "{rest}: {said}"
            );
            assert_eq!(said.contains("%40"), part == "%40", "{rest}: {said}");
        }
    }

    #[test]
    fn the_time_for_a_connection_is_that_of_the_address() {
        let timeout = |url| parse(url).unwrap().1.connect_timeout.as_secs();
        assert_eq!(timeout("postgres://a@h/db"), 5);
        assert_eq!(timeout("postgres://a@h/db?connect_timeout=12"), 12);
        assert_eq!(timeout("postgres://a@h/db?connect_timeout=0"), 5);
    }
}
