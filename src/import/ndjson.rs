//! Our own format, which `export` writes and `import` reads: one JSON object a line.
//!
//! ```json
//! {"id":"…","username":"alice","password_hash":"$argon2id$…","status":"active","created_at":"2026-03-04T05:06:07Z"}
//! {"id":"…","email":"ada@example.com","name":"Ada Lovelace","firm":{"id":"…","name":"Engines"},"role":"admin",
//!  "password_hash":"$2b$…","status":"active","email_verified":true,"created_at":"2026-03-04T05:06:07Z"}
//! ```
//!
//! An account has a `username`, or an `email` with a `name` and a `firm`. All other fields may be left out and then
//! mean what [`PortableDraft`] says. An unknown or repeated field is an error: if it were ignored, the loss would be
//! noticed too late.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{RecordError, typed};
use crate::domain::{Identity, ImportTerms, PasswordHash, PortableAccount, PortableDraft};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NdjsonLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firm: Option<NdjsonFirm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NdjsonFirm {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

pub(super) fn parse(line: &[u8], terms: &ImportTerms) -> Result<PortableAccount, RecordError> {
    let line = line.trim_ascii();
    // serde would read a list as the fields in their order.
    if !line.starts_with(b"{") {
        return Err(RecordError::malformed("the line is no JSON object"));
    }
    let line: NdjsonLine = serde_json::from_slice(line).map_err(|error| unreadable(line, &error))?;
    let created_at = match &line.created_at {
        Some(text) => {
            let bad = || RecordError::field("created_at", "must be a time as in 2026-03-04T05:06:07Z");
            Some(typed::time(text).ok_or_else(bad)?)
        }
        None => None,
    };
    let firm = line.firm.unwrap_or_default();
    let draft = PortableDraft {
        id: line.id.as_deref().unwrap_or_default(),
        username: line.username.as_deref().unwrap_or_default(),
        email: line.email.as_deref().unwrap_or_default(),
        name: line.name.as_deref().unwrap_or_default(),
        firm_id: firm.id.as_deref().unwrap_or_default(),
        firm_name: firm.name.as_deref().unwrap_or_default(),
        role: line.role.as_deref().unwrap_or_default(),
        password_hash: line.password_hash.as_deref().unwrap_or_default(),
        status: line.status.as_deref().unwrap_or_default(),
        email_verified: line.email_verified.unwrap_or(false),
        created_at,
    };
    Ok(draft.parse(terms)?)
}

/// Writes one line with its line end.
pub(crate) fn write(account: &PortableAccount, to: &mut impl Write) -> io::Result<()> {
    let mut line = NdjsonLine {
        id: Some(account.id.to_string()),
        password_hash: account.password_hash.as_ref().map(PasswordHash::to_exported),
        status: Some(account.status.as_str().to_owned()),
        created_at: typed::write_time(account.created_at),
        ..NdjsonLine::default()
    };
    match &account.identity {
        Identity::Username(username) => line.username = Some(username.as_str().to_owned()),
        Identity::Email { email, name, firm, role, verified } => {
            line.email = Some(email.as_str().to_owned());
            line.name = Some(name.as_str().to_owned());
            line.firm = Some(NdjsonFirm { id: Some(firm.id.to_string()), name: Some(firm.name.as_str().to_owned()) });
            line.role = Some(role.as_str().to_owned());
            line.email_verified = Some(*verified);
        }
    }
    serde_json::to_writer(&mut *to, &line)?;
    to.write_all(b"\n")
}

/// Says what is wrong with a line and where. It does not quote the line, as the library's own text would.
fn unreadable(line: &[u8], error: &serde_json::Error) -> RecordError {
    if !error.is_data() {
        return RecordError::malformed(format!(
            "the line is no JSON object: it is invalid from column {}",
            error.column()
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(line);
    let Err(error) = serde_path_to_error::deserialize::<_, NdjsonLine>(&mut reader) else {
        return RecordError::malformed("the line is no JSON object");
    };
    let (field, said) = (error.path().to_string(), error.inner().to_string());
    RecordError::malformed(if let Some(name) = said.strip_prefix("duplicate field `") {
        format!("the field `{}` occurs twice", name.split('`').next().unwrap_or_default())
    } else if said.starts_with("unknown field") {
        format!("the field `{field}` is unknown")
    } else {
        let expected = match field.as_str() {
            "email_verified" => "true or false",
            "firm" => "an object with `id` and `name`",
            _ => "a text in quotation marks",
        };
        format!("the field `{field}` must be {expected}")
    })
}
