//! The requests that are written down: every rule, with inputs that are good and inputs that are bad in every way that
//! somebody thought of. What is expected of them is what the other transcoder answers, so only the requests are here.

mod bodies;
mod http;
mod json;
mod kinds;
mod paths;
mod queries;

use crate::raw::Asked;

/// All of them.
pub fn rows() -> Vec<Asked> {
    [paths::rows(), kinds::rows(), queries::rows(), json::rows(), bodies::rows(), http::rows()].concat()
}

/// `METHOD /target` of the echo API.
fn ask(line: &str) -> Asked {
    Asked::new("echo", line)
}

/// `GET` of the echo API with a query, which may hold anything but what ends a request line.
fn query(text: &str) -> Asked {
    ask(&format!("GET /v1/everything?{text}"))
}

/// `POST` of the echo API with JSON for the whole message.
fn json(text: &str) -> Asked {
    ask("POST /v1/everything").with_body(text)
}

/// What would end a request line, escaped.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
