//! The rules: which RPC answers which verb and path, read from the `google.api.http` annotations of a descriptor set. What
//! does not fit the messages, or another rule, is an error here, at the start, and not in a request.

use std::str::FromStr as _;

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor};

use super::fields::{self, is_text};
use super::template::Template;

/// One way to call one RPC. An RPC has as many as its rule has bindings.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Binding {
    pub rpc: MethodDescriptor,
    /// Where the stack answers it: `/countersign.v1.AuthService/Me`.
    pub rpc_path: PathAndQuery,
    /// `None` is any.
    pub verb: Option<Method>,
    pub template: Template,
    pub body: RequestBody,
    /// The field of the answer that is all of the answer's body.
    pub response_body: Option<FieldDescriptor>,
}

/// Where the body of a request goes.
#[derive(Debug, Clone)]
pub(in crate::rest) enum RequestBody {
    /// Nowhere: every field that is not in the path is a query parameter.
    None,
    /// `*`: it is the message, but for what is in the path. There are no query parameters.
    Whole,
    /// It is this field; the others are query parameters.
    Field(FieldDescriptor),
}

/// Why a descriptor set cannot be served: a defect of its annotations.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// No descriptor set.
    #[error("the descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// A rule that says nothing, or what makes no sense.
    #[error("the google.api.http rule of {rpc} {problem}")]
    Rule {
        /// The full name of the RPC.
        rpc: String,
        /// What must be otherwise.
        problem: String,
    },
    /// A rule for a path that is spoken for.
    #[error("the google.api.http rule of {0} takes the path {1}, which is not for rules")]
    Taken(String, String),
    /// Two rules for one path.
    #[error("the google.api.http rules of {0} and {1} answer the same requests")]
    Conflict(String, String),
}

/// Every binding of every service, the ones that go first where several match before the others.
pub(in crate::rest) fn read(pool: &DescriptorPool) -> Result<Vec<Binding>, RuleError> {
    let Some(annotation) = pool.get_extension_by_name("google.api.http") else { return Ok(Vec::new()) };
    let mut bindings: Vec<Binding> = Vec::new();
    for rpc in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = rpc.options();
        if !options.has_extension(&annotation) {
            continue;
        }
        let wrong = |problem: String| RuleError::Rule { rpc: rpc.full_name().to_owned(), problem };
        let value = options.get_extension(&annotation);
        let rule = value.as_message().ok_or_else(|| wrong("is no rule".to_owned()))?;
        let more = messages(rule, "additional_bindings");
        if more.iter().any(|rule| !messages(rule, "additional_bindings").is_empty()) {
            return Err(wrong("has additional bindings within one".to_owned()));
        }
        for rule in std::iter::once(rule).chain(&more) {
            let binding = Binding::read(&rpc, rule).map_err(wrong)?;
            let same = |other: &&Binding| other.verb == binding.verb && other.template.is_same_as(&binding.template);
            if let Some(other) = bindings.iter().find(same) {
                return Err(RuleError::Conflict(other.rpc.full_name().to_owned(), rpc.full_name().to_owned()));
            }
            bindings.push(binding);
        }
    }
    bindings.sort_by(|one, other| one.template.precedence(&other.template));
    Ok(bindings)
}

impl Binding {
    fn read(rpc: &MethodDescriptor, rule: &DynamicMessage) -> Result<Self, String> {
        if rpc.is_client_streaming() {
            return Err("is of an RPC that takes a stream".to_owned());
        }
        let (verb, path) = verb_and_path(rule)?;
        let template = Template::parse(&path).map_err(|problem| format!("has the path {path:?}, which {problem}"))?;
        let input = rpc.input();
        for variable in template.variables() {
            let names: Vec<_> = variable.field.iter().map(String::as_str).collect();
            let last = fields::find(&input, &names).filter(is_text);
            last.ok_or_else(|| format!("has {:?} in its path, which is no single value", names.join(".")))?;
        }
        let body = match text(rule, "body").as_str() {
            "" => RequestBody::None,
            "*" => RequestBody::Whole,
            name => RequestBody::Field(top_level(&input, name, "body")?),
        };
        let response_body = match text(rule, "response_body").as_str() {
            "" => None,
            name => Some(top_level(&rpc.output(), name, "response_body")?),
        };
        let rpc_path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        let rpc_path = PathAndQuery::from_str(&rpc_path).map_err(|_| "is of an RPC with no path".to_owned())?;
        Ok(Self { rpc: rpc.clone(), rpc_path, verb, template, body, response_body })
    }
}

fn verb_and_path(rule: &DynamicMessage) -> Result<(Option<Method>, String), String> {
    for verb in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        let name = verb.as_str().to_ascii_lowercase();
        if rule.has_field_by_name(&name) {
            return Ok((Some(verb), text(rule, &name)));
        }
    }
    let custom = rule.get_field_by_name("custom").filter(|_| rule.has_field_by_name("custom"));
    let custom = custom.as_deref().and_then(|custom| custom.as_message()).ok_or("names no verb")?;
    let kind = text(custom, "kind");
    let verb = match kind.as_str() {
        "*" => None,
        kind => Some(Method::from_str(kind).map_err(|_| format!("has the verb {kind:?}, which is none"))?),
    };
    Ok((verb, text(custom, "path")))
}

fn top_level(message: &MessageDescriptor, name: &str, place: &str) -> Result<FieldDescriptor, String> {
    message
        .get_field_by_name(name)
        .ok_or_else(|| format!("has {name:?} as its {place}, which is no field of {}", message.full_name()))
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let field = message.get_field_by_name(field);
    let list = field.as_deref().and_then(|list| list.as_list()).unwrap_or_default();
    list.iter().filter_map(|value| value.as_message().cloned()).collect()
}
