//! Page tokens: the position at which a page of a listing ended. A token holds a position in the order of the listing
//! and not a count, so that rows that appear or vanish shift nothing. It is sealed, so that every replica accepts it
//! and no client can make one, and it is bound to its query, so that it cannot be used for another. Separate because
//! all listings share them.

use time::OffsetDateTime;
use uuid::Uuid;

use super::core::Accounts;
use super::errors::refuse_field;
use crate::domain::AuthError;

impl Accounts {
    /// The page token of a row with a time, which is kept to the millisecond, and an id.
    pub(super) fn seal_position(&self, query: &str, (at, id): (OffsetDateTime, Uuid)) -> String {
        let millis = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        self.tokens.seal(query, &[&millis.to_be_bytes()[..], id.as_bytes()].concat())
    }

    /// Reads a page token of [`Self::seal_position`]; `None` if it was not made for this query.
    pub(super) fn open_position(&self, query: &str, page_token: &str) -> Option<(OffsetDateTime, Uuid)> {
        let payload = self.tokens.unseal(query, page_token)?;
        let (millis, id) = payload.split_first_chunk()?;
        let nanos = i128::from(i64::from_be_bytes(*millis)) * 1_000_000;
        Some((OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?, Uuid::from_slice(id).ok()?))
    }

    /// The page token of a row with a name and an id.
    pub(super) fn seal_name(&self, query: &str, name: &str, id: Uuid) -> String {
        self.tokens.seal(query, &[id.as_bytes(), name.as_bytes()].concat())
    }

    /// Reads a page token of [`Self::seal_name`]; `None` if it was not made for this query.
    pub(super) fn open_name(&self, query: &str, page_token: &str) -> Option<(String, Uuid)> {
        let payload = self.tokens.unseal(query, page_token)?;
        let (id, name) = payload.split_first_chunk()?;
        Some((String::from_utf8(name.to_owned()).ok()?, Uuid::from_bytes(*id)))
    }
}

/// Reads the page token of a request with `open`; an empty one means the first page.
pub(super) fn parse_page_token<T>(
    page_token: &str,
    open: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, AuthError> {
    if page_token.is_empty() {
        return Ok(None);
    }
    match open(page_token) {
        Some(position) => Ok(Some(position)),
        None => Err(refuse_field("page_token", "must be empty or the next_page_token of a page of the same question")),
    }
}

/// Cuts a page to `limit` rows. One row more than that was read, which tells whether another page follows; if so, the
/// last row of this page is returned as well.
pub(super) fn cut_page<T: Clone>(mut all: Vec<T>, limit: u32) -> (Vec<T>, Option<T>) {
    let is_last = all.len() <= limit as usize;
    all.truncate(limit as usize);
    let last = all.last().filter(|_| !is_last).cloned();
    (all, last)
}
