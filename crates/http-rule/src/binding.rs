//! Bindings: which RPC answers which method and path, read from the `google.api.http` annotations of a descriptor set.
//! An annotation that does not fit its messages, or another annotation, is an error here, so no request ever meets it.

use std::str::FromStr as _;

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor};

use crate::fields::{self, is_text};
use crate::template::Template;

/// One way to call one RPC. An RPC has one for its rule, and one for each of the rule's `additional_bindings`.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The RPC, with its input and output types.
    pub rpc: MethodDescriptor,
    /// The path of the RPC in gRPC: `/library.v1.Library/GetBook`.
    pub grpc_path: PathAndQuery,
    /// The HTTP method; `None` is any method, the custom kind `*`.
    pub method: Option<Method>,
    /// The paths that are answered.
    pub template: Template,
    /// Where the body of a request stands in the message.
    pub body: RequestBody,
    /// The one field of the answer that is sent as the body; `None` sends the whole message.
    pub response_body: Option<FieldDescriptor>,
}

/// What the body of a request is: the `body` of a rule.
#[derive(Debug, Clone)]
pub enum RequestBody {
    /// The body is ignored. Every field that is not in the path is a query parameter.
    None,
    /// The body is the message (`*`), apart from the fields in the path. There are no query parameters.
    Whole,
    /// The body is this field. The other fields are in the path, or are query parameters.
    Field(FieldDescriptor),
}

/// Why a descriptor set cannot be served: it, or one of its annotations, has a defect.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The bytes are no descriptor set, or one that lacks an import.
    #[error("the descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// A rule is empty, or does not fit the messages of its RPC.
    #[error("the google.api.http rule of {rpc} {problem}")]
    Rule {
        /// The full name of the RPC.
        rpc: String,
        /// The mistake, as it follows the name in a sentence.
        problem: String,
    },
    /// Two rules have the same method and the same path, whatever their variables are called.
    #[error("the google.api.http rules of {0} and {1} answer the same requests")]
    Conflict(String, String),
}

/// Every binding of every service, in the order in which they are tried.
pub(crate) fn read(pool: &DescriptorPool) -> Result<Vec<Binding>, RuleError> {
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
            let same =
                |other: &&Binding| other.method == binding.method && other.template.is_same_as(&binding.template);
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
        let (method, path) = method_and_path(rule)?;
        let template = Template::parse(&path).map_err(|problem| format!("has the path {path:?}, which {problem}"))?;
        let input = rpc.input();
        for variable in template.variables() {
            let names: Vec<_> = variable.field.iter().map(String::as_str).collect();
            let field = fields::find(&input, &names).filter(is_text);
            field.ok_or_else(|| format!("has {:?} in its path, which is no single value", names.join(".")))?;
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
        let grpc_path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        let grpc_path = PathAndQuery::from_str(&grpc_path).map_err(|_| "is of an RPC with no path".to_owned())?;
        Ok(Self { rpc: rpc.clone(), grpc_path, method, template, body, response_body })
    }
}

fn method_and_path(rule: &DynamicMessage) -> Result<(Option<Method>, String), String> {
    for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
        let name = method.as_str().to_ascii_lowercase();
        if rule.has_field_by_name(&name) {
            return Ok((Some(method), text(rule, &name)));
        }
    }
    let custom = rule.get_field_by_name("custom").filter(|_| rule.has_field_by_name("custom"));
    let custom = custom.as_deref().and_then(|custom| custom.as_message()).ok_or("names no HTTP method")?;
    let kind = text(custom, "kind");
    let method = match kind.as_str() {
        "*" => None,
        kind => Some(Method::from_str(kind).map_err(|_| format!("has {kind:?} as its HTTP method, which is none"))?),
    };
    Ok((method, text(custom, "path")))
}

fn top_level(message: &MessageDescriptor, name: &str, role: &str) -> Result<FieldDescriptor, String> {
    message
        .get_field_by_name(name)
        .ok_or_else(|| format!("has {name:?} as its {role}, which is no field of {}", message.full_name()))
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let field = message.get_field_by_name(field);
    let list = field.as_deref().and_then(|list| list.as_list()).unwrap_or_default();
    list.iter().filter_map(|value| value.as_message().cloned()).collect()
}
