//! The rules in the descriptors, read without the code under test. They give the number of routes, and show that each
//! route was taken.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, DynamicMessage, ServiceDescriptor, Value};

use crate::raw::Asked;

/// Every route of some services, and how often it was taken.
#[derive(Default)]
pub struct Routes(BTreeMap<(String, String), usize>);

impl Routes {
    /// Adds the routes of every service whose full name has this prefix.
    pub fn add(&mut self, pool: &DescriptorPool, api: &str, package: &str) {
        let annotation = pool.get_extension_by_name("google.api.http").unwrap();
        let services = pool.services().filter(|service: &ServiceDescriptor| service.full_name().starts_with(package));
        for method in services.flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let options = method.options();
            if !options.has_extension(&annotation) {
                continue;
            }
            let rule = options.get_extension(&annotation).as_message().unwrap().clone();
            let more = rule.get_field_by_name("additional_bindings").unwrap().into_owned();
            let more = more.as_list().unwrap().iter().map(|rule| rule.as_message().unwrap().clone());
            for rule in std::iter::once(rule.clone()).chain(more) {
                let (verb, path) = verb_and_path(&rule);
                self.0.insert((format!("{api} {verb}"), path), 0);
            }
        }
    }

    /// Counts the route of a request that succeeded.
    pub fn note(&mut self, asked: &Asked) {
        for ((verb, template), count) in &mut self.0 {
            let (api, verb) = verb.split_once(' ').unwrap_or_default();
            if api == asked.api && (verb == "*" || verb == asked.method) && fits(template, asked.path()) {
                *count += 1;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The routes that no request took.
    pub fn idle(&self) -> Vec<String> {
        let idle = self.0.iter().filter(|(_, count)| **count == 0);
        idle.map(|((verb, path), _)| format!("{verb} {path}")).collect()
    }
}

fn verb_and_path(rule: &DynamicMessage) -> (String, String) {
    for verb in ["get", "put", "post", "delete", "patch"] {
        if rule.has_field_by_name(verb) {
            return (verb.to_uppercase(), text(rule, verb));
        }
    }
    let custom = rule.get_field_by_name("custom").unwrap().into_owned();
    let custom = custom.as_message().unwrap();
    (text(custom, "kind"), text(custom, "path"))
}

fn text(message: &DynamicMessage, field: &str) -> String {
    match message.get_field_by_name(field).map(std::borrow::Cow::into_owned) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Whether a path fits a template. A variable fits what its pattern fits, `*` is one segment and `**` is any number.
fn fits(template: &str, path: &str) -> bool {
    let mut plain = String::new();
    for (at, piece) in template.split(['{', '}']).enumerate() {
        let is_variable = at % 2 == 1;
        plain.push_str(if is_variable { piece.split_once('=').map_or("*", |(_, pattern)| pattern) } else { piece });
    }
    let (plain, path) = match plain.rsplit_once(':') {
        Some((plain, verb)) => {
            let Some(path) = path.strip_suffix(verb).and_then(|path| path.strip_suffix(':')) else { return false };
            (plain.to_owned(), path)
        }
        None => (plain, path),
    };
    let (mut wanted, mut given) = (plain.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}
