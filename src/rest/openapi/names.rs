//! The names that generators of clients make into the names of methods and classes: the ids of operations, and the tags
//! that group them.

use http_rule::Binding;
use prost_reflect::ServiceDescriptor;

/// The name of the RPC, such as `listSessions`. A further binding of the same RPC also has the names of its variables,
/// as in `listSessionsByAccountId`. An RPC that has the same name as one of another service begins with its service.
pub(super) fn id(binding: &Binding, taken: &[String]) -> String {
    let name = words(binding.rpc.name());
    let variables = binding.template.variables().iter().map(|variable| words(&variable.field.join("_")));
    let variables = variables.collect::<Vec<_>>().join(&"and".to_owned());
    let longer = [&name[..], &["by".to_owned()], &variables].concat();
    let service = words(&tag(binding.rpc.parent_service()));
    let candidates = [name.clone(), longer.clone(), [&service[..], &name].concat(), [&service[..], &longer].concat()];
    let mut ids = candidates.iter().map(|words| camel_case(words));
    ids.find(|id| !taken.contains(id)).unwrap_or_else(|| format!("{}{}", camel_case(&longer), taken.len()))
}

/// The tag of a service: its name in words, such as `auth` for `AuthService`.
pub(super) fn tag(service: &ServiceDescriptor) -> String {
    let name = service.name();
    words(name.strip_suffix("Service").unwrap_or(name)).join(" ")
}

/// The words of a name in any style, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    for character in name.chars() {
        if character.is_ascii_uppercase() || !character.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(character.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn camel_case(words: &[String]) -> String {
    let mut name = upper_camel_case(words);
    name.get_mut(..1).into_iter().for_each(str::make_ascii_lowercase);
    name
}

/// As in `ValidationOrHandleTaken`, of words in lower case.
fn upper_camel_case(words: &[String]) -> String {
    let mut name = words.concat();
    let mut at = 0;
    for word in words {
        name.get_mut(at..at + 1).into_iter().for_each(str::make_ascii_uppercase);
        at += word.len();
    }
    name
}

/// The name of the response for several reasons, such as `ValidationOrHandleTaken` for `VALIDATION` and `HANDLE_TAKEN`.
pub(super) fn of_reasons(reasons: &[&str]) -> String {
    let names = reasons.iter().map(|reason| words(&reason.to_ascii_lowercase()));
    upper_camel_case(&names.collect::<Vec<_>>().join(&"or".to_owned()))
}
