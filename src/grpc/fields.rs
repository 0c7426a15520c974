//! Fields that requests of several services have: ids, sizes of pages, times. Apart from `convert`, whose strings become names
//! and passwords.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{AuthError, Violations};

/// Rows on a page, unless the request says how many.
const PAGE: u32 = 50;

/// A page of these is under 200 KiB, however long the texts.
const LONGEST_PAGE: u32 = 200;

/// What is no UUID is nobody's id: it is not found, like any other.
pub(super) fn id(text: &str) -> Result<Uuid, AuthError> {
    Uuid::try_parse(text).map_err(|_| AuthError::NotFound)
}

/// None when empty.
pub(super) fn optional_id(text: &str) -> Result<Option<Uuid>, AuthError> {
    if text.is_empty() { Ok(None) } else { id(text).map(Some) }
}

/// How many rows are wanted.
pub(super) fn page_size(asked: i32) -> Result<u32, AuthError> {
    let mut bad = Violations::default();
    bad.check("page_size", size(asked)).ok_or(AuthError::Validation(bad))
}

/// The same, among other fields.
pub(super) fn size(asked: i32) -> Result<u32, &'static str> {
    match u32::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(LONGEST_PAGE)),
        Err(_) => Err("must not be negative"),
    }
}

/// A time, if there is one.
pub(super) fn time(asked: Option<prost_types::Timestamp>) -> Result<Option<OffsetDateTime>, &'static str> {
    let Some(prost_types::Timestamp { seconds, nanos }) = asked else {
        return Ok(None);
    };
    let nanos = u32::try_from(nanos).ok();
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().zip(nanos);
    let time = time.and_then(|(time, nanos)| time.replace_nanosecond(nanos).ok());
    time.map(Some).ok_or("must be a time")
}
