//! Where a page of a listing ended, as the client keeps it: a place in the order and not a count, so that what comes and goes
//! shifts nothing; sealed, so that every replica takes it and nobody makes one; for one question, so that it answers no
//! other. Apart from the listings because they share it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Accounts, refuse_field};
use crate::domain::AuthError;

impl Accounts {
    /// The place of something with a time, to the millisecond, and an id.
    pub(super) fn seal_place(&self, question: &str, (at, id): (OffsetDateTime, Uuid)) -> String {
        let millis = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        self.tokens.seal(question, &[&millis.to_be_bytes()[..], id.as_bytes()].concat())
    }

    /// The reverse; `None` when it was not given out for this question.
    pub(super) fn open_place(&self, question: &str, page_token: &str) -> Option<(OffsetDateTime, Uuid)> {
        let payload = self.tokens.unseal(question, page_token)?;
        let (millis, id) = payload.split_first_chunk()?;
        let nanos = i128::from(i64::from_be_bytes(*millis)) * 1_000_000;
        Some((OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?, Uuid::from_slice(id).ok()?))
    }

    /// The place of something with a name.
    pub(super) fn seal_name(&self, question: &str, name: &str) -> String {
        self.tokens.seal(question, name.as_bytes())
    }

    /// The reverse.
    pub(super) fn open_name(&self, question: &str, page_token: &str) -> Option<String> {
        String::from_utf8(self.tokens.unseal(question, page_token)?).ok()
    }
}

/// Opens with `open` what is not empty; the error says what a page token must be.
pub(super) fn opened<T>(page_token: &str, open: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, AuthError> {
    if page_token.is_empty() {
        return Ok(None);
    }
    match open(page_token) {
        Some(place) => Ok(Some(place)),
        None => Err(refuse_field("page_token", "must be empty or the next_page_token of a page of the same question")),
    }
}

/// What was read of a page with one more than was asked for, which tells whether there is another; and its last, if so.
pub(super) fn cut<T: Clone>(mut all: Vec<T>, limit: u32) -> (Vec<T>, Option<T>) {
    let is_last = all.len() <= limit as usize;
    all.truncate(limit as usize);
    let last = all.last().filter(|_| !is_last).cloned();
    (all, last)
}
