//! A text with placeholders such as `{{link}}`: parsed once, with its mistakes reported, and filled in for each mail.
//! Written here because a template language would let an operator's file run programs, and nothing needs one.

use std::fmt;

/// A placeholder that templates may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// The link with the one-time token.
    Link,
    /// The lifetime of the link: `24 hours`.
    Valid,
    /// The name of the person that owns the account.
    Name,
    /// The address that the mail is sent to.
    Email,
    /// The host of `PUBLIC_URL`.
    Service,
    /// The firm that the recipient is invited to.
    Firm,
    /// The name of the person that sent the invitation.
    Inviter,
    /// The role in the firm: `user`.
    Role,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 8] = [
        ("link", Self::Link),
        ("valid", Self::Valid),
        ("name", Self::Name),
        ("email", Self::Email),
        ("service", Self::Service),
        ("firm", Self::Firm),
        ("inviter", Self::Inviter),
        ("role", Self::Role),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, placeholder)| placeholder)
    }
}

/// Why a text is not a valid template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The placeholder is unknown, or not allowed in mail of this kind.
    #[error("line {line}: {{{{{name}}}}} is not a placeholder of this mail")]
    Unknown {
        /// The number of the line.
        line: usize,
        /// The placeholder as written.
        name: String,
    },
    /// A `{{` has no `}}`.
    #[error("line {line}: a {{{{ is not closed by }}}}")]
    Open {
        /// The number of the line.
        line: usize,
    },
}

/// The escaping of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escaping {
    /// No escaping, for plain text.
    None,
    /// Escaping for text and attributes of HTML.
    Html,
}

#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Placeholder),
}

impl Pattern {
    /// Parses a text that may use the placeholders of `allowed`. `line` is the number of its first line.
    pub(super) fn parse(text: &str, line: usize, allowed: &[Placeholder]) -> Result<Self, PatternError> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let line = line + text[..text.len() - after.len()].matches('\n').count();
            let (name, then) = after.split_once("}}").ok_or(PatternError::Open { line })?;
            let known = Placeholder::parse(name.trim()).filter(|placeholder| allowed.contains(placeholder));
            let value = known.ok_or_else(|| PatternError::Unknown { line, name: name.trim().to_owned() })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(value));
            rest = then;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Whether the template uses a placeholder.
    pub(super) fn has(&self, placeholder: Placeholder) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Value(value) if *value == placeholder))
    }

    /// Fills in the values. Placeholders within values are not filled in.
    pub(super) fn fill(&self, escaping: Escaping, value: impl Fn(Placeholder) -> String) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(placeholder) => match escaping {
                    Escaping::None => filled.push_str(&value(*placeholder)),
                    Escaping::Html => filled.push_str(&Html(&value(*placeholder)).to_string()),
                },
            }
        }
        filled
    }
}

/// Displays a value with the escaping of HTML.
struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => write!(f, "{other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Escaping, Pattern, PatternError, Placeholder};

    const ALLOWED: [Placeholder; 2] = [Placeholder::Name, Placeholder::Link];

    #[test]
    fn values_are_put_in_once_and_escaped_where_it_matters() {
        let pattern = Pattern::parse("Hello {{name}}, { {{ link }} } }}", 1, &ALLOWED).unwrap();
        let value = |placeholder| match placeholder {
            Placeholder::Name => "<b title='\"'>{{link}} & co".to_owned(),
            _ => "https://a/#x".to_owned(),
        };
        assert_eq!(pattern.fill(Escaping::None, value), "Hello <b title='\"'>{{link}} & co, { https://a/#x } }}");
        assert_eq!(
            pattern.fill(Escaping::Html, value),
            "Hello &lt;b title=&#39;&quot;&#39;&gt;{{link}} &amp; co, { https://a/#x } }}"
        );
        assert!(pattern.has(Placeholder::Link) && !pattern.has(Placeholder::Role));
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let unknown = |line, name: &str| PatternError::Unknown { line, name: name.to_owned() };
        for (text, error) in [
            ("a\nb {{nmae}}", unknown(4, "nmae")),
            ("{{}}", unknown(3, "")),
            ("{{firm}}", unknown(3, "firm")),
            ("{{Name}}", unknown(3, "Name")),
            ("{{name}}\n\n{{link}", PatternError::Open { line: 5 }),
        ] {
            assert_eq!(Pattern::parse(text, 3, &ALLOWED).unwrap_err(), error, "{text}");
        }
        assert_eq!(unknown(3, "firm").to_string(), "line 3: {{firm}} is not a placeholder of this mail");
        assert_eq!(PatternError::Open { line: 5 }.to_string(), "line 5: a {{ is not closed by }}");
    }
}
