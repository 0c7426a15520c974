//! Path templates: whether a path matches one, and which of two matching templates goes first. Separate from the rules
//! because templates know no descriptors. `grammar` parses them.

use std::cmp::Ordering;
use std::ops::Range;

/// A parsed path template, for instance `/v1/shelves/{shelf}/books/{book}:archive`.
#[derive(Debug, Clone)]
pub struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) verb: Option<String>,
    pub(crate) variables: Vec<Variable>,
}

/// One segment, whether it belongs to a variable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: one segment, which is not empty.
    One,
    /// `**`: all segments to the end, or none.
    Rest,
}

/// A field of the request message that takes its value from some of the segments.
#[derive(Debug, Clone)]
pub struct Variable {
    /// The names of the fields from the request message down to this field.
    pub field: Vec<String>,
    pub(crate) segments: Range<usize>,
    /// Whether the value may have several segments. An encoded slash in it is then not decoded, because it would look
    /// like one between segments.
    pub is_path: bool,
}

impl Template {
    /// The variables, from left to right.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The first segment, if it is a literal.
    pub fn first(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(literal) => Some(literal),
            Segment::One | Segment::Rest => None,
        }
    }

    /// The template with each variable as the name of its field only: `/v1/{name=shelves/*}:archive` is shown as
    /// `/v1/{name}:archive`.
    pub fn shown(&self) -> String {
        let mut shown = String::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let variable = self.variables.iter().find(|variable| variable.segments.contains(&at));
            match (variable, segment) {
                (Some(variable), _) if variable.segments.start == at => {
                    shown = format!("{shown}/{{{}}}", variable.field.join("."));
                }
                (Some(_), _) => {}
                (None, Segment::Literal(literal)) => shown = format!("{shown}/{literal}"),
                (None, Segment::One) => shown.push_str("/*"),
                (None, Segment::Rest) => shown.push_str("/**"),
            }
        }
        match &self.verb {
            Some(verb) => format!("{shown}:{verb}"),
            None => shown,
        }
    }

    /// The text of each variable, still percent-encoded; `None` if the path does not match.
    pub fn matches<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
            None => path,
        };
        // The range of each segment in the path. That of a `**` without segments is empty, at the end of the path.
        let mut ranges = Vec::new();
        // Without variables, nothing is allocated.
        let mut add = |range| {
            if !self.variables.is_empty() {
                ranges.push(range);
            }
        };
        let mut at = 0;
        for segment in &self.segments {
            if *segment == Segment::Rest {
                add((at + 1).min(path.len())..path.len());
                at = path.len();
                break;
            }
            let begin = path.get(at..)?.strip_prefix('/').map(|_| at + 1)?;
            let end = path.get(begin..)?.find('/').map_or(path.len(), |slash| begin + slash);
            let fits = match segment {
                Segment::Literal(literal) => path.get(begin..end)? == literal,
                _ => begin < end,
            };
            if !fits {
                return None;
            }
            add(begin..end);
            at = end;
        }
        if at != path.len() {
            return None;
        }
        let text = |variable: &Variable| {
            let (first, last) = (ranges.get(variable.segments.start)?, ranges.get(variable.segments.end - 1)?);
            path.get(first.start..last.end)
        };
        self.variables.iter().map(text).collect()
    }

    /// Which of two templates goes first when both match: one with a verb; then, from the left, a literal before `*`,
    /// and `*` before `**`.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let key = |template: &Self| {
            let wild = template.segments.iter().map(|segment| match segment {
                Segment::Literal(_) => 0,
                Segment::One => 1,
                Segment::Rest => 2,
            });
            (template.verb.is_none(), wild.collect::<Vec<_>>())
        };
        key(self).cmp(&key(other))
    }

    /// Whether both match the same paths. The names of their variables do not matter.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.segments == other.segments && self.verb == other.verb
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Template;

    #[test]
    fn a_path_matches_a_template_or_does_not() {
        for (template, path, expected) in [
            ("/v1/me", "/v1/me", Some(&[][..])),
            ("/v1/me", "/v1/me/", None),
            ("/v1/me", "/v1", None),
            ("/v1/me", "/v1/ME", None),
            ("/v1/messages/{id}", "/v1/messages/123", Some(&["123"])),
            ("/v1/messages/{id}", "/v1/messages/", None),
            ("/v1/messages/{id}", "/v1/messages/1/2", None),
            ("/v1/messages/{id}", "/v1/messages/a%2Fb:c", Some(&["a%2Fb:c"])),
            ("/v1/{name=messages/*}", "/v1/messages/123", Some(&["messages/123"])),
            ("/v1/{name=messages/*}", "/v1/letters/123", None),
            ("/v1/users/{user}/messages/{id}", "/v1/users/me/messages/1", Some(&["me", "1"])),
            ("/v1/{all=**}", "/v1/a/b//c", Some(&["a/b//c"])),
            ("/v1/{all=**}", "/v1/", Some(&[""])),
            ("/v1/{all=**}", "/v1", Some(&[""])),
            ("/v1/{all=a/**}", "/v1/a", Some(&["a"])),
            ("/v1/{all=a/**}", "/v1/a/b", Some(&["a/b"])),
            ("/v1/{all=**}", "/v2", None),
            ("/v1/*/x/**", "/v1/a/x/b/c", Some(&[])),
            ("/v1/{all=**}:cancel", "/v1/a/b:cancel", Some(&["a/b"])),
            ("/v1/{id}:cancel", "/v1/1:cancel", Some(&["1"])),
            ("/v1/{id}:cancel", "/v1/1", None),
            ("/v1/{id}:cancel", "/v1/:cancel", None),
            ("/v1/{a.b}", "/v1/%zz", Some(&["%zz"])),
        ] {
            let parsed = Template::parse(template).unwrap();
            assert_eq!(parsed.matches(path).as_deref(), expected, "{template} {path}");
        }
    }

    #[test]
    fn a_literal_comes_before_a_segment_before_the_rest_and_a_verb_before_all() {
        let ordered = ["/v1/{a=**}:x", "/v1/a/b", "/v1/a/{b}", "/v1/a/{b=**}", "/v1/{a}/b", "/v1/{a=**}", "/{a=**}"];
        let parsed: Vec<_> = ordered.iter().map(|text| Template::parse(text).unwrap()).collect();
        assert!(parsed.is_sorted_by(|one, other| one.precedence(other).is_lt()));
    }

    #[test]
    fn a_template_shows_the_fields_that_it_fills() {
        for (text, shown) in [
            ("/v1/{name=messages/*}:x", "/v1/{name}:x"),
            ("/v1/{a.b=**}", "/v1/{a.b}"),
            ("/v1/*/{id}/**", "/v1/*/{id}/**"),
        ] {
            assert_eq!(Template::parse(text).unwrap().shown(), shown);
        }
    }

    /// A template's text, and for each segment whether it is a literal, `*` or `**`.
    fn templates() -> impl Strategy<Value = (String, Vec<&'static str>, Option<&'static str>)> {
        let segment = prop::sample::select(vec!["a", "b", "*"]);
        let verb = prop::option::of(prop::sample::select(vec!["x", "y"]));
        (prop::collection::vec((segment, any::<bool>()), 1..4), any::<bool>(), verb).prop_map(
            |(segments, rest, verb)| {
                let mut kinds: Vec<_> = segments.iter().map(|(kind, _)| *kind).collect();
                let named = segments.iter().enumerate().map(|(at, (kind, is_named))| {
                    if *is_named { format!("/{{f{at}={kind}}}") } else { format!("/{kind}") }
                });
                let mut text: String = named.collect();
                if rest {
                    kinds.push("**");
                    text.push_str("/**");
                }
                text.extend(verb.map(|verb| format!(":{verb}")));
                (text, kinds, verb)
            },
        )
    }

    /// Matches by splitting and comparing: slower, and easier to believe.
    fn matches_slowly(kinds: &[&str], verb: Option<&str>, path: &str) -> bool {
        let path = match verb {
            Some(verb) => match path.strip_suffix(&format!(":{verb}")) {
                Some(path) => path,
                None => return false,
            },
            None => path,
        };
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let fixed = kinds.len() - usize::from(kinds.last() == Some(&"**"));
        let enough = if fixed < kinds.len() { segments.len() >= fixed } else { segments.len() == fixed };
        enough
            && kinds[..fixed]
                .iter()
                .zip(&segments)
                .all(|(kind, text)| if *kind == "*" { !text.is_empty() } else { kind == text })
    }

    proptest! {
        #[test]
        fn a_path_matches_as_its_segments_do((text, kinds, verb) in templates(), path in "(/[ab]?){0,5}(:[xy])?") {
            let template = Template::parse(&text).unwrap();
            let found = template.matches(&path);
            prop_assert_eq!(found.is_some(), matches_slowly(&kinds, verb, &path), "{} {}", text, path);
            let named: Vec<_> = found.unwrap_or_default();
            prop_assert!(named.iter().all(|text| path.contains(text) && !text.contains('/')), "{:?}", named);
        }

        #[test]
        fn no_text_panics(template in "[/{}a.=*:]{0,16}", path in any::<String>()) {
            if let Ok(template) = Template::parse(&template) {
                let _ = (template.matches(&path), template.shown());
            }
        }
    }
}
