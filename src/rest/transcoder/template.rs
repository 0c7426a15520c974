//! Path templates: the grammar of `google/api/http.proto`, and whether a path is of one. Separate from the rules because it
//! knows no descriptors: text in, pieces of text out.

use std::cmp::Ordering;
use std::ops::Range;

/// `/v1/accounts/{account_id}/sessions:revokeOthers`, parsed.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
    variables: Vec<Variable>,
}

/// One segment, whether it belongs to a variable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rest) enum Segment {
    Literal(String),
    /// `*`: any one segment that is not empty.
    One,
    /// `**`: all that is left, which may be nothing.
    Rest,
}

/// A field that takes its value from some of the segments.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Variable {
    /// Names from the request message down to the field.
    pub field: Vec<String>,
    segments: Range<usize>,
    /// Whether it may hold several segments: then an encoded slash in it is not decoded, or it would seem to be one
    /// between segments.
    pub is_path: bool,
}

impl Template {
    /// The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("must begin with a slash")?;
        let last = path.rfind(['/', '}']).map_or(0, |at| at + 1);
        let (path, verb) = match path.get(last..).and_then(|tail| tail.find(':')) {
            Some(colon) => (&path[..last + colon], Some(literal(&path[last + colon + 1..])?)),
            None => (path, None),
        };
        let mut template = Self { segments: Vec::new(), verb, variables: Vec::new() };
        for piece in pieces(path)? {
            match piece.strip_prefix('{') {
                Some(variable) => {
                    let variable = variable.strip_suffix('}').ok_or("must have nothing after the } of a segment")?;
                    template.add_variable(variable)?;
                }
                None => template.segments.push(Segment::parse(piece)?),
            }
        }
        let rests = template.segments.iter().filter(|segment| **segment == Segment::Rest).count();
        if rests > 1 || (rests == 1 && template.segments.last() != Some(&Segment::Rest)) {
            return Err("must have ** as the last segment only");
        }
        Ok(template)
    }

    fn add_variable(&mut self, text: &str) -> Result<(), &'static str> {
        let (field, pattern) = text.split_once('=').unwrap_or((text, "*"));
        let field: Vec<_> = field.split('.').map(str::to_owned).collect();
        if field.iter().any(|name| !is_identifier(name)) {
            return Err("must name a field in each pair of braces");
        }
        if self.variables.iter().any(|other| other.field == field) {
            return Err("must name no field twice");
        }
        let first = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(Segment::parse(segment)?);
        }
        let segments = first..self.segments.len();
        let is_path = !matches!(self.segments.get(first..), Some([Segment::One | Segment::Literal(_)]));
        self.variables.push(Variable { field, segments, is_path });
        Ok(())
    }

    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// For those who show it: the segments, the fields that they belong to, and the verb after the colon.
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

    /// The text of each variable, still percent-encoded; `None` if the path is of another template.
    pub fn matches<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
            None => path,
        };
        // Where each segment begins and ends; a `**` of no segments is where the path ends.
        let mut places = Vec::with_capacity(self.segments.len());
        let mut at = 0;
        for segment in &self.segments {
            if *segment == Segment::Rest {
                places.push((at + 1).min(path.len())..path.len());
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
            places.push(begin..end);
            at = end;
        }
        if at != path.len() {
            return None;
        }
        let text = |variable: &Variable| {
            let (first, last) = (places.get(variable.segments.start)?, places.get(variable.segments.end - 1)?);
            path.get(first.start..last.end)
        };
        self.variables.iter().map(text).collect()
    }

    /// Which of two templates of one path is meant: the one with a verb; then, from the left, a literal before a segment
    /// before all the rest.
    pub fn precedence(&self, other: &Self) -> Ordering {
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

    /// Whether every path of one is a path of the other, whatever their variables are called.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.segments == other.segments && self.verb == other.verb
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "*" => Self::One,
            "**" => Self::Rest,
            _ => Self::Literal(literal(text)?),
        })
    }
}

/// Splits at the slashes that are in no braces.
fn pieces(path: &str) -> Result<Vec<&str>, &'static str> {
    let (mut pieces, mut begin, mut inside) = (Vec::new(), 0, false);
    for (at, c) in path.char_indices() {
        match c {
            '{' if inside => return Err("must have no braces within braces"),
            '{' => inside = true,
            '}' => inside = false,
            '/' if !inside => {
                pieces.push(&path[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("must close every brace");
    }
    pieces.push(&path[begin..]);
    Ok(pieces)
}

fn literal(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;@%".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err("must have no empty segment, and no stray *, :, = or brace");
    }
    Ok(text.to_owned())
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn a_path_is_of_a_template_or_not() {
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
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "v1",
            "/",
            "//",
            "/v1/",
            "/v1//me",
            "/v1/{",
            "/v1/{}",
            "/v1/}",
            "/v1/{a",
            "/v1/{a}b",
            "/v1/{a={b}}",
            "/v1/{a.}",
            "/v1/{1a}",
            "/v1/{a}/{a}",
            "/v1/{a=}",
            "/v1/**/x",
            "/v1/{a=**}/{b=**}",
            "/v1/***",
            "/v1/a*",
            "/v1/me:",
            "/v1/a:b/c",
            "/v1/me:a:b",
            "/v1/a b",
            "/v1/ä",
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
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
}
