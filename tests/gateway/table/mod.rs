//! The requests of the table: every rule, with valid input and with every kind of invalid input that we know. The other
//! transcoder gives the expected answers, so the table has only requests.

mod bodies;
mod http;
mod json;
mod kinds;
mod paths;
mod queries;

use crate::raw::Asked;

/// All requests of the table.
pub fn rows() -> Vec<Asked> {
    [paths::rows(), kinds::rows(), queries::rows(), json::rows(), bodies::rows(), http::rows()].concat()
}

/// A request to the echo API, given as `METHOD /target`.
fn ask(line: &str) -> Asked {
    Asked::new("echo", line)
}

/// A `GET` of the echo API with this query, which must not end the request line.
fn query(text: &str) -> Asked {
    ask(&format!("GET /v1/everything?{text}"))
}

/// A `POST` to the echo API with JSON for the whole message.
fn json(text: &str) -> Asked {
    ask("POST /v1/everything").with_body(text)
}

/// The text with escapes for characters that would end a request line.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
