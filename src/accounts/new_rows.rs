//! The id and the creation time of something that is stored for the first time. Separate because most use cases and the
//! command line need both.

use time::OffsetDateTime;
use uuid::Uuid;

use countersign_guard::clock::Clock;

/// A UUID of version 7: ordered by time and unlikely to collide, but not secret.
pub(super) fn new_id(clock: &dyn Clock) -> Uuid {
    let now = clock.now();
    let seconds = now.unix_timestamp().try_into().unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.nanosecond()))
}

/// Cuts off the fraction of a second.
pub(super) fn to_the_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}
