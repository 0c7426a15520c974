//! All bindings of a descriptor set, and which of them a request is for. Separate from the transcoder because this
//! knows no service: documentation and metrics are made from it as well.

use std::collections::{BTreeSet, HashSet};

use http::Method;
use prost_reflect::DescriptorPool;

use crate::binding::{self, Binding, RuleError};

/// The `google.api.http` rules of all services in a descriptor set.
#[derive(Debug)]
pub struct Rules {
    pool: DescriptorPool,
    bindings: Vec<Binding>,
    /// The first segments of all paths; `None` if a template begins with a wildcard.
    roots: Option<BTreeSet<String>>,
    /// The paths of RPCs that answer with a stream and have no variable in their path.
    streams: HashSet<String>,
}

/// What the rules have for a method and a path.
pub(crate) enum Found<'a> {
    /// A binding, and the texts of its variables, still percent-encoded.
    Binding(&'a Binding, Vec<&'a str>),
    /// Rules for the path, but with these methods.
    OtherMethods(Vec<Method>),
    /// No rule for the path.
    Nothing,
}

impl Rules {
    /// Reads the annotations of all services in an encoded `FileDescriptorSet`, which includes its imports.
    ///
    /// A set without any annotation has no rules and is no error. See [`RuleError`] for what is.
    pub fn read(descriptors: &[u8]) -> Result<Self, RuleError> {
        let pool = DescriptorPool::decode(descriptors)?;
        let bindings = binding::read(&pool)?;
        let roots = bindings.iter().map(|binding| binding.template.first().map(str::to_owned)).collect();
        let streams = bindings.iter().filter(|binding| binding.rpc.is_server_streaming());
        let streams = streams.map(|binding| binding.template.shown()).collect();
        Ok(Self { pool, bindings, roots, streams })
    }

    /// Every way to call an RPC, in the order in which they are tried.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The descriptors that the rules were read from.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// Whether the first segment of `path` is that of a rule. A server that has other routes as well sends these paths
    /// to the transcoder: it answers all of them, also with 404.
    pub fn is_near(&self, path: &str) -> bool {
        let Some(roots) = &self.roots else { return true };
        path.split('/').nth(1).is_some_and(|first| roots.contains(first))
    }

    /// Whether `path` is exactly that of an RPC that answers with a stream. It is not if it is spelt with escapes, or
    /// if the rule has a variable.
    pub fn is_stream(&self, path: &str) -> bool {
        self.streams.contains(path)
    }

    /// The path of the rule for a request, with the names of its variables in place of their values:
    /// `/v1/books/{name}`.
    pub fn route(&self, method: &Method, path: &str) -> Option<String> {
        match self.find(method, path) {
            Found::Binding(binding, _) => Some(binding.template.shown()),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }

    pub(crate) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Found<'a> {
        let matching = || self.bindings.iter().filter_map(|binding| Some((binding, binding.template.matches(path)?)));
        let with = |method: Option<&Method>| matching().find(|(binding, _)| binding.method.as_ref() == method);
        let found = with(Some(method))
            .or_else(|| with(Some(&Method::GET)).filter(|_| method == Method::HEAD))
            .or_else(|| with(None));
        if let Some((binding, variables)) = found {
            return Found::Binding(binding, variables);
        }
        let mut methods: Vec<Method> = Vec::new();
        for taken in matching().filter_map(|(binding, _)| binding.method.clone()) {
            let head = (taken == Method::GET).then_some(Method::HEAD);
            for method in std::iter::once(taken).chain(head) {
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
        if methods.is_empty() {
            return Found::Nothing;
        }
        if !methods.contains(&Method::OPTIONS) {
            methods.push(Method::OPTIONS);
        }
        Found::OtherMethods(methods)
    }
}
