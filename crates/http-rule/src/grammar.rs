//! Parsing path templates, by the grammar of `google/api/http.proto`. Separate from matching them, which happens for
//! every request; parsing happens once.

use crate::template::{Segment, Template, Variable};

impl Template {
    /// Parses a template. The error says what it must or must not have, as it follows "the template" in a sentence.
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

/// Splits at the slashes that are outside of braces.
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
    fn a_text_that_is_no_template_is_refused() {
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
}
