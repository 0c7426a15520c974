//! Reading the fields of a JSON body, of a form or of a query. Separate from the dialects because they read in the same
//! way, and answer differently.

use std::time::Duration;

use axum::extract::Request;
use http::request::Parts;
use http_rule::body::{self, BodyError, Limits};
use http_rule::query_pairs;
use serde_json::{Map, Value};

/// The limits of a body, far above any request of either contract. A gRPC message is bounded by the deadline of its
/// call instead.
pub(super) const LIMITS: Limits = Limits { bytes: 64 * 1_024, time: Duration::from_secs(20) };

/// The fields of a JSON body, of a form or of a query: their texts, and the problems of fields that have no text.
#[derive(Debug, Default)]
pub(super) struct Fields {
    map: Map<String, Value>,
    problems: Vec<(&'static str, FieldProblem)>,
    /// For each field, its name in the RPC and its name in the contract.
    names: Vec<(&'static str, &'static str)>,
    /// Whether each field is there as text, as often as it was sent.
    is_query: bool,
}

/// The reason why the value of a field cannot be passed to the RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldProblem {
    Missing,
    NotAString,
    /// The RPC's message cannot hold the text. The description says what the value must be instead.
    Not(&'static str),
}

impl FieldProblem {
    /// The problem as it follows the field's name in a sentence.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Missing => "is required",
            Self::NotAString => "must be a string",
            Self::Not(description) => description,
        }
    }
}

impl Fields {
    /// The parameters of a query, or of a form. One that is there twice has a list as its value, which no parameter
    /// takes.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let mut map = Map::new();
        for (name, text) in query_pairs(query.unwrap_or_default()) {
            let Some(name) = name else { continue };
            // A value that cannot be decoded is no string.
            let value = text.map_or(Value::Null, Value::String);
            let value = if map.contains_key(&name) { Value::Array(Vec::new()) } else { value };
            map.insert(name, value);
        }
        Self { map, is_query: true, ..Self::default() }
    }

    /// Where the fields were sent: `body` or `query`.
    pub(super) fn location(&self) -> &'static str {
        if self.is_query { "query" } else { "body" }
    }

    /// Takes the text of a field. If it is missing or no string, the problem is noted, and the text is empty, which no
    /// RPC accepts in any field.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.refuse(name, FieldProblem::Missing);
            String::new()
        })
    }

    /// As [`Self::text`], for a field that the RPC calls `field` and the contract `name`.
    pub(super) fn text_of(&mut self, field: &'static str, name: &'static str) -> String {
        self.names.push((field, name));
        self.text(name)
    }

    /// As [`Self::text`], for a field that may be missing.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.map.remove(name)? {
            Value::String(text) => Some(text),
            other => {
                let is_repeated = self.is_query && other.is_array();
                let problem =
                    if is_repeated { FieldProblem::Not("must be given once") } else { FieldProblem::NotAString };
                self.refuse(name, problem);
                Some(String::new())
            }
        }
    }

    /// Notes the problem of a field that was taken, unless it has one already. The RPC must refuse the value that it is
    /// sent instead.
    pub(super) fn refuse(&mut self, name: &'static str, problem: FieldProblem) {
        if self.problem(name).is_none() {
            self.problems.push((name, problem));
        }
    }

    /// The problem of a field that was taken.
    pub(super) fn problem(&self, name: &str) -> Option<FieldProblem> {
        self.problems.iter().find(|(field, _)| *field == name).map(|&(_, problem)| problem)
    }

    /// The contract's name for the field that the RPC calls `field`.
    pub(super) fn name<'a>(&self, field: &'a str) -> &'a str {
        self.names.iter().find(|(theirs, _)| *theirs == field).map_or(field, |(_, name)| name)
    }

    /// Whether no field that was taken has a problem, and all fields were taken.
    pub(super) fn are_whole(&self) -> bool {
        self.problems.is_empty() && self.map.is_empty()
    }

    /// The name of a field that was not taken.
    pub(super) fn untaken(&self) -> Option<&str> {
        self.map.keys().next().map(String::as_str)
    }
}

/// Reads the fields of a JSON object, and gives back the rest of the request. If the JSON is not an object, every field
/// is missing: the RPC refuses that, so that a closed registration, for instance, is refused first.
pub(super) async fn read(request: Request) -> Result<(Parts, Fields), BodyError> {
    let (parts, body) = request.into_parts();
    if !body::is_json(&parts.headers) {
        return Err(BodyError::ContentType);
    }
    let bytes = body::read(&parts.headers, body, LIMITS).await?;
    let fields = match body::parse(&bytes)? {
        Value::Object(map) => Fields { map, ..Fields::default() },
        _ => Fields::default(),
    };
    Ok((parts, fields))
}

/// Reads the fields of a form, and gives back the rest of the request.
pub(super) async fn read_form(request: Request) -> Result<(Parts, Fields), BodyError> {
    let (parts, body) = request.into_parts();
    if !body::is_of_type(&parts.headers, "application/x-www-form-urlencoded") {
        return Err(BodyError::ContentType);
    }
    let bytes = body::read_any(&parts.headers, body, LIMITS).await?;
    let form = std::str::from_utf8(&bytes).map_err(|_| BodyError::Malformed)?;
    Ok((parts, Fields::of_query(Some(form))))
}
