//! Reading a JSON body or a query, and the fields of it. Apart from the dialects because both read alike and answer differently.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use tonic::Status;

use super::transcoder::escapes::pairs;

/// No request of either contract comes near it.
const MAX_BYTES: usize = 64 * 1_024;

/// Until a body is complete. A gRPC message is under the call's deadline instead.
const ARRIVAL: Duration = Duration::from_secs(20);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is no JSON at all. What *is* JSON but not what a route takes is the RPC's to refuse, so that a closed
    /// registration, say, is answered first.
    Wrong(Wrong),
    /// Whoever brought it has no room for it, and said so as an RPC does.
    Refused(Box<Status>),
}

/// What is wrong with a body.
#[derive(Debug)]
pub(super) struct Wrong {
    pub status: StatusCode,
    pub code: &'static str,
    pub text: &'static str,
}

const NOT_JSON: Unreadable = Unreadable::Wrong(Wrong {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    code: "unsupported_media_type",
    text: "the content type must be application/json",
});
/// RFC 9110 section 8.4: to be refused by whoever does not know it.
const ENCODED: Unreadable = Unreadable::Wrong(Wrong {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    code: "unsupported_media_type",
    text: "the body must not be compressed: send it without Content-Encoding",
});
const TOO_LARGE: Unreadable = Unreadable::Wrong(Wrong {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    code: "payload_too_large",
    text: "the body must have at most 65536 bytes",
});
const TOO_SLOW: Unreadable = Unreadable::Wrong(Wrong {
    status: StatusCode::REQUEST_TIMEOUT,
    code: "request_timeout",
    text: "the body did not arrive in time",
});
pub(super) const MALFORMED: Unreadable = Unreadable::Wrong(Wrong {
    status: StatusCode::BAD_REQUEST,
    code: "malformed_json",
    text: "the body must be JSON in UTF-8",
});

/// The fields of a request's body, or of its query: a text each, and what is wrong with those that are none.
#[derive(Debug, Default)]
pub(super) struct Fields {
    map: Map<String, Value>,
    problems: Vec<(&'static str, Problem)>,
    /// What the RPC calls a field, and what the contract does.
    names: Vec<(&'static str, &'static str)>,
    is_query: bool,
}

/// How a field's value is nothing that the RPC could be asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    Missing,
    NotAString,
    /// A text that no message has room for: what it should be instead.
    Not(&'static str),
}

impl Problem {
    /// As it follows the field's name.
    pub fn description(self) -> &'static str {
        match self {
            Self::Missing => "is required",
            Self::NotAString => "must be a string",
            Self::Not(description) => description,
        }
    }
}

impl Fields {
    /// The parameters of a query. Of one that is there twice, the last counts, as in JSON.
    pub fn of_query(query: Option<&str>) -> Self {
        let pairs = pairs(query.unwrap_or_default());
        // What cannot be decoded is no text.
        let map = pairs.filter_map(|(name, text)| Some((name?, text.map_or(Value::Null, Value::String)))).collect();
        Self { map, is_query: true, ..Self::default() }
    }

    /// Where they are.
    pub fn place(&self) -> &'static str {
        if self.is_query { "query" } else { "body" }
    }

    /// Takes a field's text. Of one that is missing or no string, takes note and gives an empty text, which no RPC
    /// accepts in any field.
    pub fn text(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.refuse(name, Problem::Missing);
            String::new()
        })
    }

    /// As [`Self::text`], of what the RPC calls `field`.
    pub fn text_of(&mut self, field: &'static str, name: &'static str) -> String {
        self.names.push((field, name));
        self.text(name)
    }

    /// As [`Self::text`], of a field that need not be there.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.map.remove(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.refuse(name, Problem::NotAString);
                Some(String::new())
            }
        }
    }

    /// Takes note of what is wrong with a field that was taken, unless something is already. The RPC must refuse what it is
    /// sent in its place.
    pub fn refuse(&mut self, name: &'static str, problem: Problem) {
        if self.problem(name).is_none() {
            self.problems.push((name, problem));
        }
    }

    /// What was wrong with a field that was taken.
    pub fn problem(&self, name: &str) -> Option<Problem> {
        self.problems.iter().find(|(field, _)| *field == name).map(|&(_, problem)| problem)
    }

    /// What the contract calls what the RPC calls `field`.
    pub fn name<'a>(&self, field: &'a str) -> &'a str {
        self.names.iter().find(|(theirs, _)| *theirs == field).map_or(field, |(_, name)| name)
    }

    /// A field that nobody has taken.
    pub fn untaken(&self) -> Option<&str> {
        self.map.keys().next().map(String::as_str)
    }
}

/// Reads the fields of a JSON object, and gives back the rest of the request. Of JSON that is no object, every field is
/// missing.
pub(super) async fn read(request: Request) -> Result<(Parts, Fields), Unreadable> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(NOT_JSON);
    }
    let bytes = bytes(&parts.headers, body).await?;
    let fields = match serde_json::from_slice(&bytes).map_err(|_| MALFORMED)? {
        Value::Object(map) => Fields { map, ..Fields::default() },
        _ => Fields::default(),
    };
    Ok((parts, fields))
}

/// Whether the content type is JSON's, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The bytes of a body that says that it is JSON, or of none at all.
pub(super) async fn bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Unreadable> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ENCODED);
    }
    if is_json(headers) { collect(body).await } else { none(body).await }
}

/// Of a body that is no JSON: nothing, or it is refused.
async fn none(mut body: Body) -> Result<Bytes, Unreadable> {
    let first = async {
        while let Some(frame) = body.frame().await {
            if frame.map_err(broken)?.data_ref().is_some_and(|data| !data.is_empty()) {
                return Err(NOT_JSON);
            }
        }
        Ok(Bytes::new())
    };
    tokio::time::timeout(ARRIVAL, first).await.unwrap_or(Err(TOO_SLOW))
}

/// All of a body, if it is not too long and comes in time. In one piece: a part of what the connection has read would keep all
/// of that, and may be one byte of it.
async fn collect(mut body: Body) -> Result<Bytes, Unreadable> {
    // A declared length is believed when it is too much; otherwise the limit counts.
    if body.size_hint().lower() > MAX_BYTES as u64 {
        return Err(TOO_LARGE);
    }
    let all = async {
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if all.len() + data.len() > MAX_BYTES {
                return Err(TOO_LARGE);
            }
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    };
    tokio::time::timeout(ARRIVAL, all).await.unwrap_or(Err(TOO_SLOW))
}

/// The client broke off, or broke HTTP's rules; or the body was refused on the way here.
fn broken(error: axum::Error) -> Unreadable {
    let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
    let refusal = causes.filter_map(|cause| cause.downcast_ref::<Status>()).next();
    refusal.map_or(MALFORMED, |status| Unreadable::Refused(Box::new(status.clone())))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http::StatusCode;
    use http::header::CONTENT_TYPE;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let (_sender, stalled) = http_body_util::channel::Channel::<bytes::Bytes>::new(1);
        let request = Request::builder().header(CONTENT_TYPE, "application/json").body(Body::new(stalled)).unwrap();
        let Err(super::Unreadable::Wrong(wrong)) = super::read(request).await else { panic!("it was read") };
        assert_eq!((wrong.status, wrong.code), (StatusCode::REQUEST_TIMEOUT, "request_timeout"));
    }
}
