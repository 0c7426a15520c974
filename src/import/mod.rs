//! The file formats that accounts are imported from. Each format has a file of code, from its bytes to the domain's
//! types. This module knows nothing of our database.
//!
//! [`AccountFile`] reads every format, a thousand accounts at a time, so that memory use does not depend on the size of
//! the file. A line or row that cannot be read becomes a [`RecordError`] with its number, and reading continues behind
//! it.
//!
//! The stores of the username contract may have two accounts with names that differ in letter case only. The one that
//! could sign in there must get the name here, so the others come last, and are kept in memory until then. They are
//! few, because that server stores names in lower case.

mod auth_users_csv;
mod lines;
mod mongo_users;
pub(crate) mod ndjson;
mod source_name;
mod typed;
mod username_sqlite;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::domain::{DraftError, DraftProblem, ImportTerms, PortableAccount};
use auth_users_csv::AuthUsers;
use lines::{Line, Lines};
pub(crate) use source_name::SourceName;
use username_sqlite::Users;

/// How many accounts are read at once and stored in one transaction.
pub(crate) const BATCH: usize = 1_000;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Our own format: one JSON object a line ([`ndjson`]).
    Ndjson,
    /// The output of mongoexport for the first store of the username contract.
    MongoUsers,
    /// The SQLite file of the second store of the username contract.
    UsernameSqlite,
    /// The table `auth.users` of the hosted identity service as CSV.
    AuthUsersCsv,
}

/// An account of a file, or the reason why the line or row is not one.
#[derive(Debug)]
pub(crate) struct Record {
    /// The number of the line or row that it begins in, counted from 1.
    pub place: u64,
    /// How the system that it comes from names the account, if the format says so.
    pub source: Option<SourceName>,
    pub account: Result<PortableAccount, RecordError>,
    /// What was left out or changed when the account was read; the import reports it.
    pub notes: Vec<&'static str>,
}

impl Record {
    /// Whether the account could not sign in where it comes from, so that another account may have its name.
    fn gives_way(&self) -> bool {
        self.account.is_ok() && self.source.as_ref().is_some_and(|source| !source.could_sign_in)
    }
}

/// Why a line or row is not imported. It never holds the content of the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// The line does not have the form of the format.
    #[error("{0}")]
    Malformed(String),
    /// A field has a value that is not allowed.
    #[error(transparent)]
    Field(#[from] DraftError),
}

impl RecordError {
    fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }

    fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field(DraftError { field, problem: DraftProblem::Value(problem) })
    }
}

/// Why a file cannot be read, or cannot be read any further.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {problem}", file.display())]
pub(crate) struct AccountFileError {
    file: PathBuf,
    problem: String,
}

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct AccountFile {
    file: PathBuf,
    total: Option<u64>,
    /// `None` while a batch is being read, and after the end of the file.
    reader: Option<FileReader>,
    /// The accounts that come after all others.
    last: Vec<Record>,
    done: u64,
}

#[derive(Debug)]
enum FileReader {
    /// The formats in which an account is a line.
    Lines(Lines, ParseLine, ImportTerms),
    Csv(AuthUsers),
    Sqlite(Users),
}

type ParseLine = fn(&[u8], &ImportTerms) -> ParsedLine;

/// The account of a line, and how the system that it comes from names it.
type ParsedLine = (Option<SourceName>, Result<PortableAccount, RecordError>);

impl AccountFile {
    /// Opens a file. The path `-` is standard input, except for SQLite. `terms` say which
    /// accounts are taken.
    pub(crate) async fn open(format: Format, file: &Path, terms: ImportTerms) -> Result<Self, AccountFileError> {
        let failed = |problem: String| AccountFileError { file: file.to_owned(), problem };
        let (reader, total) = if format == Format::UsernameSqlite {
            let (users, total) = Users::open(file, terms).await.map_err(failed)?;
            (FileReader::Sqlite(users), Some(total))
        } else {
            let (input, total) = input(file).map_err(|cause| failed(cause.to_string()))?;
            let lines = Lines::new(input);
            let reader = match format {
                Format::Ndjson => FileReader::Lines(lines, |line, terms| (None, ndjson::parse(line, terms)), terms),
                Format::MongoUsers => FileReader::Lines(lines, mongo_users::parse, terms),
                _ => FileReader::Csv(AuthUsers::open(lines, terms).map_err(failed)?),
            };
            (reader, total)
        };
        Ok(Self { file: file.to_owned(), total, reader: Some(reader), last: Vec::new(), done: 0 })
    }

    /// Returns the next accounts, at most [`BATCH`], and none at the end. After a failure, or after this future was
    /// dropped before its end, it must not be called again.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, AccountFileError> {
        loop {
            let mut records = self.read_on().await?;
            let is_end = records.is_empty();
            self.last.extend(records.extract_if(.., |record| record.gives_way()));
            if is_end {
                let batch = self.last.len().min(BATCH);
                return Ok(self.last.drain(..batch).collect());
            }
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    /// Returns the next accounts in the order of the file.
    async fn read_on(&mut self) -> Result<Vec<Record>, AccountFileError> {
        let (reader, records) = match self.reader.take() {
            Some(FileReader::Sqlite(mut users)) => {
                let records = users.next().await;
                (FileReader::Sqlite(users), records)
            }
            Some(reader) => tokio::task::spawn_blocking(move || read(reader))
                .await
                .map_err(|cause| AccountFileError { file: self.file.clone(), problem: cause.to_string() })?,
            None => return Ok(Vec::new()),
        };
        self.done = match &reader {
            FileReader::Lines(lines, ..) => lines.bytes(),
            FileReader::Csv(users) => users.bytes(),
            FileReader::Sqlite(users) => users.rows(),
        };
        let records = records.map_err(|problem| AccountFileError { file: self.file.clone(), problem })?;
        self.reader = (!records.is_empty()).then_some(reader);
        Ok(records)
    }

    /// Returns how much of [`Self::total`] has been read: bytes, or rows of SQLite.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Returns the size of the input, unless it comes through a pipe.
    pub(crate) fn total(&self) -> Option<u64> {
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

fn read(mut reader: FileReader) -> (FileReader, Result<Vec<Record>, String>) {
    let mut records = Vec::with_capacity(BATCH);
    let failed = loop {
        if records.len() == BATCH {
            break None;
        }
        let record = match &mut reader {
            FileReader::Lines(lines, parse, terms) => next_line(lines, *parse, terms),
            FileReader::Csv(users) => users.next(),
            FileReader::Sqlite(_) => Ok(None),
        };
        match record {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break None,
            Err(cause) => break Some(cause.to_string()),
        }
    };
    (reader, failed.map_or(Ok(records), Err))
}

fn next_line(lines: &mut Lines, parse: ParseLine, terms: &ImportTerms) -> io::Result<Option<Record>> {
    while let Some(Line { number, text }) = lines.next()? {
        let (source, account) = match &text {
            None => (None, Err(lines::too_long())),
            // An empty line is not an account; most files end with one.
            Some(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
            Some(text) => parse(text, terms),
        };
        return Ok(Some(Record { place: number, source, account, notes: Vec::new() }));
    }
    Ok(None)
}
