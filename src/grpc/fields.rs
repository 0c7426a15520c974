//! Fields that requests of several services have: ids, page sizes, times. Separate from the `…_convert` modules because
//! each of those belongs to one service.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{AuthError, Violations};

/// The rows on a page if the request does not say.
const DEFAULT_PAGE_SIZE: u32 = 50;

/// The most rows on a page. A page of these is under 200 KiB, however long the texts are.
const MAX_PAGE_SIZE: u32 = 200;

/// Parses the id of a thing of this kind. A text that is not a UUID is the id of nothing, so it is not found, like any
/// unknown id.
pub(super) fn id(kind: &'static str, text: &str) -> Result<Uuid, AuthError> {
    Uuid::try_parse(text).map_err(|_| AuthError::NotFound(kind))
}

/// Parses an id that may be empty.
pub(super) fn optional_id(kind: &'static str, text: &str) -> Result<Option<Uuid>, AuthError> {
    if text.is_empty() { Ok(None) } else { id(kind, text).map(Some) }
}

/// Requires the token that a request is about. Any text may be one.
pub(super) fn token(text: String) -> Result<String, AuthError> {
    let mut bad = Violations::default();
    bad.check("token", if text.is_empty() { Err("is required") } else { Ok(text) }).ok_or(AuthError::Validation(bad))
}

/// Parses the page size of a request that has no other field to check.
pub(super) fn page_size(asked: i32) -> Result<u32, AuthError> {
    let mut bad = Violations::default();
    bad.check("page_size", size(asked)).ok_or(AuthError::Validation(bad))
}

/// Parses a page size, for a request whose violations are collected.
pub(super) fn size(asked: i32) -> Result<u32, &'static str> {
    match u32::try_from(asked) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err("must not be negative"),
    }
}

/// Parses a time that may be unset.
pub(super) fn time(asked: Option<prost_types::Timestamp>) -> Result<Option<OffsetDateTime>, &'static str> {
    let Some(prost_types::Timestamp { seconds, nanos }) = asked else {
        return Ok(None);
    };
    let nanos = u32::try_from(nanos).ok();
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().zip(nanos);
    let time = time.and_then(|(time, nanos)| time.replace_nanosecond(nanos).ok());
    time.map(Some).ok_or("must be a time")
}
