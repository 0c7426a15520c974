//! The OpenAPI document of all of REST. The paths of the RPCs come from the descriptors, with the comments of the
//! protos, so a new annotated RPC has its entry without further code. The two dialects and the probes come from
//! `dialects.json`, which is written by hand, as their contracts are.
//!
//! `comment`, `constraint` and `text` read the protos. `components`, `value` and `example` make schemas of messages.
//! `operation`, `parameter`, `names` and `failure` make operations of bindings. `dialect` adds the rest. The document
//! decides nothing: the rules are `http_rule`'s, and the domain knows what a field may hold.
//!
//! The document uses only what the common generators of clients read, and everything that becomes a type has a name.

mod comment;
mod components;
mod constraint;
mod dialect;
mod example;
mod failure;
mod names;
mod operation;
mod parameter;
mod text;
mod value;

use http_rule::{Binding, Rules};
use prost_reflect::ServiceDescriptor;
use serde_json::{Map, Value, json};

use components::Components;

/// The OpenAPI document of the RPCs that have rules, and of the dialects and probes beside them.
pub fn document(rules: &Rules) -> Value {
    let (pool, bindings) = (rules.pool(), rules.bindings());
    let mut components = Components::default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": include_str!("description.md"),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        // Relative to the address of this document, which may have a prefix behind a proxy.
        "servers": [{ "url": ".", "description": "The server that this document is from." }],
        "tags": tags(bindings),
        "paths": paths(bindings, &mut components),
        "components": { "securitySchemes": failure::security_schemes() },
    });
    failure::add_schemas(pool, &mut components);
    dialect::add(&mut document, pool, &mut components);
    dialect::merge(&mut document, json!({ "components": components.into_json() }));
    document
}

fn paths(bindings: &[Binding], components: &mut Components) -> Value {
    let (mut paths, mut ids) = (Map::new(), Vec::new());
    // In the order of the protos; the bindings of one RPC by the number of variables in their paths.
    let mut ordered: Vec<_> = bindings.iter().collect();
    ordered.sort_by_key(|binding| {
        let service = binding.rpc.parent_service().full_name().to_owned();
        (service, binding.rpc.index(), binding.template.variables().len())
    });
    for binding in ordered {
        let Some(key) = operation::key(binding) else { continue };
        let id = names::id(binding, &ids);
        let path = paths.entry(binding.template.shown()).or_insert_with(|| json!({}));
        path[key] = operation::operation(binding, &id, components);
        ids.push(id);
    }
    Value::Object(paths)
}

/// One tag for each service that has a path.
fn tags(bindings: &[Binding]) -> Value {
    let mut services: Vec<ServiceDescriptor> = Vec::new();
    for binding in bindings {
        let service = binding.rpc.parent_service();
        if !services.contains(service) {
            services.push(service.clone());
        }
    }
    services.sort_by_key(|service| service.full_name().to_owned());
    let tag = |service: &ServiceDescriptor| {
        let description = comment::of(&service.parent_file(), service.path());
        json!({ "name": names::tag(service), "description": description })
    };
    services.iter().map(tag).collect()
}
