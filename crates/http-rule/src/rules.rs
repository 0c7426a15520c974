//! All bindings of a descriptor set, and which of them a request is for. Separate from the transcoder because this
//! knows no service: documentation and metrics are made from it as well.

use std::collections::BTreeSet;

use http::Method;
use prost_reflect::DescriptorPool;

use crate::binding::{self, Binding, RuleError};
use crate::paths::Paths;

/// The `google.api.http` rules of all services in a descriptor set.
#[derive(Debug)]
pub struct Rules {
    pool: DescriptorPool,
    bindings: Vec<Binding>,
    /// The index of each binding.
    paths: Paths<usize>,
    /// The first segments of all paths; `None` if a template begins with a wildcard.
    roots: Option<BTreeSet<String>>,
}

/// What the rules have for a method and a path. Each index is that of a binding in [`Rules::bindings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The request is for this binding.
    Binding(usize),
    /// The path has rules, but with other methods. The index is that of the first.
    OtherMethods(usize),
    /// No rule has the path.
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
        let mut paths = Paths::default();
        for (index, binding) in bindings.iter().enumerate() {
            paths.insert(&binding.template, index);
        }
        Ok(Self { pool, bindings, paths, roots })
    }

    /// Every way to call an RPC, in the order of precedence.
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

    /// Looks a request up, at a cost that depends on the length of its path and not on the number of rules. Metrics are
    /// counted under [`Template::shown`](crate::Template::shown) of what was found, so that no client can add a name.
    pub fn find(&self, method: &Method, path: &str) -> Found {
        let (mut of_get, mut of_any, mut other) = (None, None, None);
        let exact = self.paths.find(path, |&index| {
            match &self.bindings.get(index)?.method {
                Some(taken) if taken == method => return Some(index),
                Some(taken) if method == Method::HEAD && taken == Method::GET => &mut of_get,
                Some(_) => &mut other,
                None => &mut of_any,
            }
            .get_or_insert(index);
            None
        });
        let other = other.map_or(Found::Nothing, Found::OtherMethods);
        exact.or(of_get).or(of_any).map_or(other, Found::Binding)
    }

    /// The methods that a path takes, for the header `Allow`.
    pub(crate) fn methods(&self, path: &str) -> Vec<Method> {
        let mut methods: Vec<Method> = Vec::new();
        let mut add = |method: Method| {
            if !methods.contains(&method) {
                methods.push(method);
            }
        };
        self.paths.find(path, |&index| {
            let taken = self.bindings.get(index)?.method.clone()?;
            let head = (taken == Method::GET).then_some(Method::HEAD);
            add(taken);
            head.map(&mut add).and(None::<()>)
        });
        add(Method::OPTIONS);
        methods
    }
}
