//! Properties of a request and its two answers, for the predicates of `differences`.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use crate::differ::Case;

impl Case<'_> {
    /// Whether the two sides answered with these HTTP statuses.
    pub fn statuses(&self, ours: u16, gateway: u16) -> bool {
        (self.ours.status, self.gateway.status) == (ours, gateway)
    }

    /// Whether ours refuses a value with this kind of problem, and the gateway accepts it.
    pub fn only_we_refuse(&self, problem: &str) -> bool {
        self.gateway.status == 200 && self.we_refuse(problem)
    }

    /// Whether ours refuses a value with this kind of problem.
    pub fn we_refuse(&self, problem: &str) -> bool {
        self.ours.status == 400 && self.problem().is_some_and(|found| found.starts_with(problem))
    }

    /// Whether the gateway refuses a value that ours accepts.
    pub fn only_gateway_refuses(&self, message: &str) -> bool {
        self.statuses(200, 400) && self.gateway.message().contains(message)
    }

    /// The problem that ours names for a field.
    pub fn problem(&self) -> Option<String> {
        let value = self.ours.value()?;
        let detail = value.get("details")?.as_array()?.iter().find_map(|detail| detail.get("fieldViolations"))?;
        Some(detail.get(0)?.get("description")?.as_str()?.to_owned())
    }

    /// Whether the path takes only other methods, according to the gateway.
    pub fn has_other_methods_only(&self) -> bool {
        self.gateway.status == 501
            && (self.gateway.code() == Some(12) || (self.asked.method == "HEAD" && self.gateway.body.is_empty()))
    }

    /// The names and values of the query, decoded.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let pairs = self.asked.query().split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
            })
            .collect()
    }

    /// The message type of the request. All RPCs of the echo have the same.
    fn input(&self) -> Option<MessageDescriptor> {
        let service = match self.asked.api {
            "echo" => "transcoding.test.v1.Echo".to_owned(),
            // The service with the only message that has parameters.
            "countersign" => "countersign.v1.SessionService".to_owned(),
            published => format!("transcoding.published.{published}.Messaging"),
        };
        Some(self.pool.get_service_by_name(&service)?.methods().next()?.input())
    }

    /// The fields on the path that a parameter names, by either of their names. `None` if there is no such field.
    pub fn fields(&self, name: &str) -> Option<Vec<FieldDescriptor>> {
        let mut message = self.input();
        let mut fields = Vec::new();
        for name in name.split('.') {
            let within = message.take()?;
            let field = within.get_field_by_json_name(name).or_else(|| within.get_field_by_name(name))?;
            if let (Kind::Message(inner), false) = (field.kind(), field.cardinality() == Cardinality::Repeated) {
                message = Some(inner);
            }
            fields.push(field);
        }
        Some(fields)
    }

    /// Whether a parameter names a field within a message that JSON writes in a special form.
    pub fn goes_into_well_known(&self, name: &str) -> bool {
        let fields = self.fields(name).unwrap_or_default();
        fields.iter().rev().skip(1).any(is_well_known)
    }

    /// Whether one of the parameters is for a field with this property.
    pub fn has_parameter(&self, is_so: impl Fn(&FieldDescriptor) -> bool) -> bool {
        self.parameters().iter().any(|(name, _)| self.fields(name).unwrap_or_default().last().is_some_and(&is_so))
    }

    /// Every text of the URL: parameters and path segments.
    pub fn texts_of_url(&self) -> Vec<String> {
        let parameters = self.parameters().into_iter().map(|(_, value)| value);
        parameters.chain(self.asked.path().split('/').map(decoded)).collect()
    }

    /// Every text of the request: those of the URL, and the strings of the body.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = self.texts_of_url();
        if let Ok(body) = serde_json::from_str(&self.asked.body_text()) {
            collect_strings(&body, &mut texts);
        }
        texts
    }

    /// The first JSON value in the body, and its length.
    pub fn first_json(&self) -> Option<(Value, usize)> {
        let body = self.asked.body.as_deref()?;
        let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        let value = values.next()?.ok()?;
        Some((value, values.byte_offset()))
    }

    /// Whether anything follows the first JSON value of the body.
    pub fn has_trailing_garbage(&self) -> bool {
        let body = self.asked.body.as_deref().unwrap_or_default();
        self.first_json().is_some_and(|(_, end)| !body[end..].iter().all(u8::is_ascii_whitespace))
    }

    /// Whether the body has only white space.
    pub fn has_blank_body(&self) -> bool {
        self.asked.body.as_deref().unwrap_or_default().iter().all(u8::is_ascii_whitespace)
    }

    /// Whether the request line has a percent sign that begins no escape.
    pub fn has_malformed_escape(&self) -> bool {
        self.asked.path().split('%').skip(1).any(|after| !after.bytes().take(2).eq(hex(after)))
    }
}

/// The byte of the first two characters, if they are hexadecimal digits.
fn hex(after: &str) -> impl Iterator<Item = u8> {
    let two = after.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    two.unwrap_or("\u{0}\u{0}").bytes()
}

/// Whether JSON writes the message of this field in a special form.
pub fn is_well_known(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name().starts_with("google.protobuf."))
}

/// Whether a field has the type of this name.
pub fn is_of(field: &FieldDescriptor, name: &str) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name() == name)
}

/// The depth of nested brackets in a text. Brackets within strings count too, but few of them nest.
pub fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => now += 1,
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn collect_strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| collect_strings(value, texts)),
        Value::Object(map) => map.values().for_each(|value| collect_strings(value, texts)),
        _ => {}
    }
}

/// The percent-decoded text. Malformed escapes are kept.
pub fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
