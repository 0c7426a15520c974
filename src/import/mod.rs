//! The files that accounts come in: one file of code for each format, from its bytes to the domain's types. Nothing of it
//! knows a database of ours.
//!
//! [`Source`] reads any of them, a thousand accounts at a time, so that memory stays flat whatever the size. What cannot be
//! read or taken is a [`Refusal`] at its place, and the reading goes on behind it.

mod auth_users_csv;
mod lines;
mod mongo_users;
pub mod ndjson;
mod typed;
mod username_sqlite;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::domain::{DraftError, DraftProblem, PortableAccount};
use auth_users_csv::AuthUsers;
use lines::{Line, Lines};
use username_sqlite::Users;

/// How many accounts are read at once, and so stored in one transaction.
pub const BATCH: usize = 1_000;

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own: a JSON object a line ([`ndjson`]).
    Ndjson,
    /// A mongoexport of the username contract's first store.
    MongoUsers,
    /// The SQLite file of its second.
    UsernameSqlite,
    /// The hosted identity service's table `auth.users` as CSV.
    AuthUsersCsv,
}

/// An account of a file, or why there is none.
#[derive(Debug)]
pub struct Record {
    /// The line that it begins in, or the row, from 1.
    pub place: u64,
    /// What it is.
    pub account: Result<PortableAccount, Refusal>,
    /// What whoever imports it should know, where it was taken with less than stands there.
    pub notes: Vec<&'static str>,
}

/// Why a line or row is not taken. Never holds what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its form.
    #[error("{0}")]
    Malformed(String),
    /// A field of it.
    #[error(transparent)]
    Field(#[from] DraftError),
}

impl Refusal {
    fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }

    fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field(DraftError { field, problem: DraftProblem::Value(problem) })
    }
}

/// Why a file cannot be read, or no further.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {problem}", file.display())]
pub struct SourceError {
    file: PathBuf,
    problem: String,
}

/// A file that is being read.
#[derive(Debug)]
pub struct Source {
    file: PathBuf,
    total: Option<u64>,
    /// `None` while it is being read, and after the end.
    reader: Option<Reader>,
    done: u64,
}

#[derive(Debug)]
enum Reader {
    /// Formats in which an account is a line.
    Lines(Lines, ParseLine, OffsetDateTime),
    Csv(AuthUsers),
    Sqlite(Users),
}

type ParseLine = fn(&[u8], OffsetDateTime) -> Result<PortableAccount, Refusal>;

impl Source {
    /// Opens a file; `-` is standard input, which SQLite cannot be read from. `now` is for accounts that do not tell when
    /// they were registered.
    pub async fn open(format: Format, file: &Path, now: OffsetDateTime) -> Result<Self, SourceError> {
        let failed = |problem: String| SourceError { file: file.to_owned(), problem };
        let (reader, total) = if format == Format::UsernameSqlite {
            let (users, total) = Users::open(file, now).await.map_err(failed)?;
            (Reader::Sqlite(users), Some(total))
        } else {
            let (input, total) = input(file).map_err(|cause| failed(cause.to_string()))?;
            let lines = Lines::new(input);
            let reader = match format {
                Format::Ndjson => Reader::Lines(lines, ndjson::parse, now),
                Format::MongoUsers => Reader::Lines(lines, mongo_users::parse, now),
                _ => Reader::Csv(AuthUsers::open(lines, now).map_err(failed)?),
            };
            (reader, total)
        };
        Ok(Self { file: file.to_owned(), total, reader: Some(reader), done: 0 })
    }

    /// The next accounts, at most [`BATCH`]; none at the end. Not to be asked again after it was dropped half-way or failed.
    pub async fn next(&mut self) -> Result<Vec<Record>, SourceError> {
        let (reader, records) = match self.reader.take() {
            Some(Reader::Sqlite(mut users)) => {
                let records = users.next().await;
                (Reader::Sqlite(users), records)
            }
            Some(reader) => tokio::task::spawn_blocking(move || read(reader))
                .await
                .map_err(|cause| SourceError { file: self.file.clone(), problem: cause.to_string() })?,
            None => return Ok(Vec::new()),
        };
        self.done = match &reader {
            Reader::Lines(lines, ..) => lines.bytes(),
            Reader::Csv(users) => users.bytes(),
            Reader::Sqlite(users) => users.rows(),
        };
        let records = records.map_err(|problem| SourceError { file: self.file.clone(), problem })?;
        self.reader = (!records.is_empty()).then_some(reader);
        Ok(records)
    }

    /// How much of [`Self::total`] has been read: bytes, or rows of SQLite.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How much there is, unless it comes through a pipe.
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

fn input(file: &Path) -> io::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(file)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let total = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), total))
}

fn read(mut reader: Reader) -> (Reader, Result<Vec<Record>, String>) {
    let mut records = Vec::with_capacity(BATCH);
    let failed = loop {
        if records.len() == BATCH {
            break None;
        }
        let record = match &mut reader {
            Reader::Lines(lines, parse, now) => next_line(lines, *parse, *now),
            Reader::Csv(users) => users.next(),
            Reader::Sqlite(_) => Ok(None),
        };
        match record {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break None,
            Err(cause) => break Some(cause.to_string()),
        }
    };
    (reader, failed.map_or(Ok(records), Err))
}

fn next_line(lines: &mut Lines, parse: ParseLine, now: OffsetDateTime) -> io::Result<Option<Record>> {
    while let Some(Line { number, text }) = lines.next()? {
        let account = match &text {
            None => Err(lines::too_long()),
            // An empty line is no account; most files end with one.
            Some(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
            Some(text) => parse(text, now),
        };
        return Ok(Some(Record { place: number, account, notes: Vec::new() }));
    }
    Ok(None)
}
