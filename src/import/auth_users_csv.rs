//! Reads the table `auth.users` of the hosted identity service as CSV. The first row names the columns: `id`, `email`
//! and `encrypted_password` must be among them, and the columns of [`OPTIONAL`] are read where they are present. The
//! JSON of `raw_user_meta_data` may hold `name` or `full_name`, and `firm_name`. All other columns are ignored.
//!
//! Each account gets a firm of its own and becomes its administrator, because the table does not say which accounts
//! belong together.
//!
//! Every column that is read has a type in which no spelling of NULL is a value, so quoting makes no difference. Names
//! stand inside the JSON, where NULL is `null` and "Null" is a name.
//!
//! A record is one line, or several lines when a line end is quoted. A quotation that is never closed would swallow the
//! rest of the file. The reader therefore reads the lines of a malformed record again, without the first one.

use std::collections::{HashMap, VecDeque};
use std::io;

use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};

use super::lines::{LONGEST, Line, Lines, too_long};
use super::{Record, RecordError, typed};
use crate::domain::{ImportTerms, PortableAccount, PortableDraft};

const REQUIRED: [&str; 3] = ["id", "email", "encrypted_password"];

/// The optional columns that are read. `confirmed_at` may be about a telephone number, so it does not verify an
/// address.
const OPTIONAL: [&str; 9] = [
    "email_confirmed_at",
    "confirmed_at",
    "created_at",
    "banned_until",
    "deleted_at",
    "raw_user_meta_data",
    "is_super_admin",
    "is_sso_user",
    "is_anonymous",
];

/// How far the clock of the machine that wrote the file may be ahead of ours.
const AHEAD: Duration = Duration::DAY;

#[derive(Debug)]
pub(super) struct AuthUsers {
    lines: Lines,
    /// Lines that have been read and will be read again.
    pending: VecDeque<Line>,
    /// The position of each column that is read and present.
    columns: HashMap<&'static str, usize>,
    width: usize,
    terms: ImportTerms,
}

impl AuthUsers {
    pub(super) fn open(mut lines: Lines, terms: ImportTerms) -> Result<Self, String> {
        let header = lines.next().map_err(|cause| cause.to_string())?.and_then(|line| line.text);
        let names = header.as_deref().and_then(fields).unwrap_or_default();
        let mut columns = HashMap::new();
        for column in REQUIRED.into_iter().chain(OPTIONAL) {
            let mut places = (0..).zip(&names).filter(|(_, name)| name.trim() == column).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (Some(place), None) => drop(columns.insert(column, place)),
                (Some(_), Some(_)) => return Err(format!("the first line names the column {column} twice")),
                (None, _) if REQUIRED.contains(&column) => {
                    return Err(format!("the first line must name the columns, and names no {column}"));
                }
                (None, _) => {}
            }
        }
        Ok(Self { lines, pending: VecDeque::new(), columns, width: names.len(), terms })
    }

    /// Returns how many bytes have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(first) = self.next_line()? else { return Ok(None) };
            let place = first.number;
            let taken = match first.text {
                None => Err(too_long()),
                Some(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
                Some(text) => {
                    let fields = self.record(text)?;
                    fields.and_then(|fields| CsvRow { columns: &self.columns, fields: &fields }.account(&self.terms))
                }
            };
            let (account, notes) = match taken {
                Ok((account, notes)) => (Ok(account), notes),
                Err(refusal) => (Err(refusal), Vec::new()),
            };
            return Ok(Some(Record { place, source: None, account, notes }));
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        match self.pending.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    /// Returns the fields of the record that begins with this line.
    fn record(&mut self, mut text: Vec<u8>) -> io::Result<Result<Vec<String>, RecordError>> {
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
                    problem = Some("a quotation mark is not closed".to_owned());
                    break;
                }
            }
        }
        let problem = match (problem, fields(&text)) {
            (Some(problem), _) => problem,
            (None, None) => "the row is not UTF-8, or not CSV".to_owned(),
            (None, Some(fields)) if fields.len() == self.width => return Ok(Ok(fields)),
            (None, Some(fields)) => {
                format!("the row has {} fields, and the first line has {}", fields.len(), self.width)
            }
        };
        for line in further.into_iter().rev() {
            self.pending.push_front(line);
        }
        Ok(Err(RecordError::malformed(problem)))
    }
}

/// A record with as many fields as there are columns.
struct CsvRow<'a> {
    columns: &'a HashMap<&'static str, usize>,
    fields: &'a [String],
}

impl<'a> CsvRow<'a> {
    fn text(&self, column: &'static str) -> Option<&'a str> {
        self.columns.get(column).and_then(|at| self.fields.get(*at)).and_then(|text| typed::given(text))
    }

    fn time(&self, column: &'static str) -> Result<Option<OffsetDateTime>, RecordError> {
        const FORM: &str = "must be a time as in 2026-03-04 05:06:07+00, or empty";
        self.text(column).map(|text| typed::time(text).ok_or_else(|| RecordError::field(column, FORM))).transpose()
    }

    fn is_true(&self, column: &'static str) -> Result<bool, RecordError> {
        let bad = || RecordError::field(column, "must be true or false, or empty");
        self.text(column).map_or(Ok(false), |text| typed::boolean(text).ok_or_else(bad))
    }

    fn is_banned(&self, now: OffsetDateTime) -> Result<bool, RecordError> {
        const COLUMN: &str = "banned_until";
        match self.text(COLUMN) {
            None | Some("-infinity") => Ok(false),
            Some("infinity") => Ok(true),
            Some(_) => Ok(self.time(COLUMN)?.is_some_and(|until| until > now)),
        }
    }

    fn meta(&self) -> Result<Map<String, Value>, RecordError> {
        const COLUMN: &str = "raw_user_meta_data";
        let bad = |_| RecordError::field(COLUMN, "is no JSON object");
        self.text(COLUMN).map_or(Ok(Map::new()), |json| serde_json::from_str(json).map_err(bad))
    }

    /// Returns the account and the notes about it. Every field is parsed, also those that change nothing here: a record
    /// with shifted columns must not be taken for another account.
    fn account(&self, terms: &ImportTerms) -> Result<(PortableAccount, Vec<&'static str>), RecordError> {
        let required = |column| self.text(column).ok_or_else(|| RecordError::field(column, "is required"));
        let id = required("id")?;
        if self.is_true("is_anonymous")? {
            return Err(RecordError::field("is_anonymous", "is true: such a user has nothing to sign in with"));
        }
        if self.is_true("is_sso_user")? {
            const WHY: &str = "is true: such a user signs in at an identity provider, which is not supported";
            return Err(RecordError::field("is_sso_user", WHY));
        }
        let email = required("email")?;
        let confirmed = self.time("email_confirmed_at")?;
        if confirmed.is_some_and(|at| at > terms.now + AHEAD) {
            return Err(RecordError::field("email_confirmed_at", "must not be in the future"));
        }
        self.time("confirmed_at")?;
        let (is_banned, is_deleted) = (self.is_banned(terms.now)?, self.time("deleted_at")?.is_some());
        let meta = self.meta()?;
        let text = |field| meta.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let name = text("name").or_else(|| text("full_name"));
        // An account without a name is called by the local part of its address.
        let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or_default());
        let draft = PortableDraft {
            id,
            email,
            name,
            firm_name: text("firm_name").unwrap_or(name),
            role: "admin",
            password_hash: self.text("encrypted_password").unwrap_or_default(),
            status: if is_banned || is_deleted { "inactive" } else { "active" },
            email_verified: confirmed.is_some(),
            created_at: self.time("created_at")?,
            ..PortableDraft::default()
        };
        let notes = [
            (is_deleted, "deleted_at is a time: the account is inactive"),
            (is_banned, "banned_until is in the future: the account is inactive"),
            (self.is_true("is_super_admin")?, "is_super_admin is true, which gives no rights here"),
        ];
        let notes = notes.into_iter().filter_map(|(applies, note)| applies.then_some(note)).collect();
        Ok((draft.parse(terms)?, notes))
    }
}

/// Whether a quotation continues on the next line.
fn is_open(text: &[u8]) -> bool {
    text.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

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
