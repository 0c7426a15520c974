//! A tree of path templates, so that one walk along a path finds the templates that match it. A general router does
//! not fit: one path may match several templates with different methods, verbs belong to the whole path, and `**`
//! matches no segments as well.

use std::collections::BTreeMap;

use crate::template::{Segment, Template};

/// Values by path template. Several values may have the same template.
#[derive(Debug, Clone)]
pub struct Paths<T> {
    /// The templates without a verb.
    plain: Node<T>,
    by_verb: BTreeMap<String, Node<T>>,
}

/// All templates that begin with the same segments.
#[derive(Debug, Clone)]
struct Node<T> {
    literals: BTreeMap<String, Node<T>>,
    one: Option<Box<Node<T>>>,
    /// The values of templates that continue with `**`.
    rest: Vec<T>,
    /// The values of templates that end here.
    end: Vec<T>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { plain: Node::default(), by_verb: BTreeMap::new() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: BTreeMap::new(), one: None, rest: Vec::new(), end: Vec::new() }
    }
}

impl<T> Paths<T> {
    /// Adds a value after those with the same template.
    pub fn insert(&mut self, template: &Template, value: T) {
        let mut node = match &template.verb {
            Some(verb) => self.by_verb.entry(verb.clone()).or_default(),
            None => &mut self.plain,
        };
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => return node.rest.push(value),
            };
        }
        node.end.push(value);
    }

    /// Offers the values whose templates match `path` to `choose` until it takes one. They come in the order of
    /// precedence: with a verb before without; then, from the left, a literal before `*`, and `*` before `**`.
    pub fn find<'a, R>(&'a self, path: &str, mut choose: impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        let of_verb = path.rsplit_once(':').and_then(|(path, verb)| Some((path, self.by_verb.get(verb)?)));
        let found = of_verb.and_then(|(path, node)| node.find(path, &mut choose));
        found.or_else(|| self.plain.find(path, &mut choose))
    }
}

impl<T> Node<T> {
    /// `path` is what follows the segments of this node.
    fn find<'a, R>(&'a self, path: &str, choose: &mut impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        if path.is_empty() {
            return self.end.iter().chain(&self.rest).find_map(choose);
        }
        if let Some(path) = path.strip_prefix('/') {
            let (segment, after) = path.split_at(path.find('/').unwrap_or(path.len()));
            let literal = self.literals.get(segment);
            let one = self.one.as_deref().filter(|_| !segment.is_empty());
            let found = literal.and_then(|node| node.find(after, choose));
            let found = found.or_else(|| one.and_then(|node| node.find(after, choose)));
            if found.is_some() {
                return found;
            }
        }
        self.rest.iter().find_map(choose)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Paths;
    use crate::template::Template;

    fn templates() -> impl Strategy<Value = Vec<Template>> {
        prop::collection::vec("(/([ab]|\\*|\\{f\\})){1,3}(/\\*\\*)?(:[xy])?", 0..12)
            .prop_map(|texts| texts.iter().filter_map(|text| Template::parse(text).ok()).collect())
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_trying_each_template_finds_in_the_same_order(
            mut templates in templates(),
            path in "(/[abc]?){0,5}(:[xyz]?){0,2}",
        ) {
            templates.sort_by(|one, other| one.precedence(other));
            let mut paths = Paths::default();
            for (index, template) in templates.iter().enumerate() {
                paths.insert(template, index);
            }
            let (mut found, mut tried) = (Vec::new(), Vec::new());
            let none: Option<()> = paths.find(&path, |&index| {
                found.push(index);
                None
            });
            tried.extend((0..templates.len()).filter(|&index| templates[index].matches(&path).is_some()));
            prop_assert_eq!(none, None);
            prop_assert_eq!(found, tried, "{}", path);
        }
    }

    #[test]
    fn the_first_value_that_is_chosen_ends_the_walk() {
        let mut paths = Paths::default();
        for text in ["/v1/{id}", "/v1/me", "/v1/{all=**}", "/v1/{id}:x"] {
            paths.insert(&Template::parse(text).unwrap(), text);
        }
        assert_eq!(paths.find("/v1/me", |&text| Some(text)), Some("/v1/me"));
        assert_eq!(paths.find("/v1/me", |&text| text.contains('{').then_some(text)), Some("/v1/{id}"));
        assert_eq!(paths.find("/v1/me:x", |&text| Some(text)), Some("/v1/{id}:x"));
        assert_eq!(paths.find("/v1/me:y", |&text| Some(text)), Some("/v1/{id}"));
        assert_eq!(paths.find("/v1", |&text| Some(text)), Some("/v1/{all=**}"));
        assert_eq!(paths.find("/v2", |&text| Some(text)), None);
    }
}
