//! The table `auth.users` of the hosted identity service as CSV, with a row of names before the others: `id`, `email` and
//! `encrypted_password`, and if they are there `email_confirmed_at`, `created_at`, `banned_until`, `deleted_at` and
//! `raw_user_meta_data`, whose JSON may hold `name` or `full_name` and `firm_name`. Other columns are passed over.
//!
//! Each account gets a firm of its own, whose administrator it is: nothing there says who belongs together.
//!
//! A record is one line, or several when a line end is quoted. A quotation that is never closed would swallow the rest of
//! the file, so the lines of a record that makes no sense are read again, without the first.

use std::collections::VecDeque;
use std::io;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::lines::{LONGEST, Line, Lines, too_long};
use super::{Record, Refusal, timestamp};
use crate::domain::{DraftError, DraftProblem, PortableAccount, PortableDraft};

/// The names of the columns that are read. The first three must be there.
const COLUMNS: [&str; 8] = [
    "id",
    "email",
    "encrypted_password",
    "email_confirmed_at",
    "created_at",
    "banned_until",
    "deleted_at",
    "raw_user_meta_data",
];

#[derive(Debug)]
pub(super) struct AuthUsers {
    lines: Lines,
    /// Lines that have been read and are to be read again.
    pending: VecDeque<Line>,
    /// Where each of [`COLUMNS`] is.
    columns: [Option<usize>; 8],
    width: usize,
    now: OffsetDateTime,
}

impl AuthUsers {
    /// Reads the row of names.
    pub fn open(mut lines: Lines, now: OffsetDateTime) -> Result<Self, String> {
        let header = lines.next().map_err(|cause| cause.to_string())?.and_then(|line| line.text);
        let names = header.as_deref().and_then(fields).unwrap_or_default();
        let columns = COLUMNS.map(|name| names.iter().position(|found| found.trim() == name));
        if let Some(missing) = COLUMNS.iter().zip(&columns).take(3).find(|(_, at)| at.is_none()) {
            return Err(format!("the first line must name the columns, and names no {}", missing.0));
        }
        Ok(Self { lines, pending: VecDeque::new(), columns, width: names.len(), now })
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(first) = self.next_line()? else { return Ok(None) };
            let place = first.number;
            let account = match first.text {
                None => Err(too_long()),
                Some(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
                Some(text) => {
                    let fields = self.record(text)?;
                    fields.and_then(|fields| self.account(&fields))
                }
            };
            return Ok(Some(Record { place, account }));
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        match self.pending.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    /// The fields of the record that begins with this line.
    fn record(&mut self, mut text: Vec<u8>) -> io::Result<Result<Vec<String>, Refusal>> {
        let mut further = Vec::new();
        let mut problem = None;
        while is_open(&text) {
            match self.next_line()? {
                Some(Line { number, text: Some(more) }) if text.len() + more.len() <= LONGEST => {
                    text.extend_from_slice(&more);
                    further.push(Line { number, text: Some(more) });
                }
                end => {
                    further.extend(end);
                    problem = Some("a quotation is not closed".to_owned());
                    break;
                }
            }
        }
        let problem = match (problem, fields(&text)) {
            (Some(problem), _) => problem,
            (None, None) => "not UTF-8, or no CSV".to_owned(),
            (None, Some(fields)) if fields.len() == self.width => return Ok(Ok(fields)),
            (None, Some(fields)) => format!("has {} fields, and the first line {}", fields.len(), self.width),
        };
        for line in further.into_iter().rev() {
            self.pending.push_front(line);
        }
        Ok(Err(Refusal::malformed(problem)))
    }

    fn account(&self, fields: &[String]) -> Result<PortableAccount, Refusal> {
        let [id, email, hash, confirmed, created, banned, deleted, meta] =
            self.columns.map(|at| at.and_then(|at| fields.get(at)).map_or("", |field| field.trim()));
        let meta: Map<String, Value> = match meta {
            "" | "null" => Map::new(),
            json => serde_json::from_str(json).map_err(|_| bad("raw_user_meta_data", "is no JSON object"))?,
        };
        let text = |field| meta.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let name = text("name").or_else(|| text("full_name"));
        // Whoever gave no name is called as mail is addressed.
        let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or_default());
        let is_banned = match banned {
            "" => false,
            "infinity" => true,
            until => timestamp::parse(until).ok_or_else(|| bad("banned_until", NO_TIME))? > self.now,
        };
        let draft = PortableDraft {
            id,
            email,
            name,
            firm_name: text("firm_name").unwrap_or(name),
            role: "admin",
            password_hash: hash,
            status: if is_banned || !deleted.is_empty() { "inactive" } else { "active" },
            email_verified: !confirmed.is_empty(),
            created_at: match created {
                "" => None,
                at => Some(timestamp::parse(at).ok_or_else(|| bad("created_at", NO_TIME))?),
            },
            ..PortableDraft::default()
        };
        if id.is_empty() {
            return Err(bad("id", "is required"));
        }
        if email.is_empty() {
            return Err(bad("email", "is required"));
        }
        Ok(draft.parse(self.now)?)
    }
}

const NO_TIME: &str = "must be a time as in 2026-03-04 05:06:07+00";

/// Whether a quotation goes on in the next line.
fn is_open(text: &[u8]) -> bool {
    text.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

/// The fields of one record.
fn fields(text: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(text.len().max(1))
        .from_reader(text);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).ok().filter(|found| *found)?;
    Some(record.iter().map(str::to_owned).collect())
}

fn bad(field: &'static str, problem: &'static str) -> Refusal {
    Refusal::Field(DraftError { field, problem: DraftProblem::Value(problem) })
}
