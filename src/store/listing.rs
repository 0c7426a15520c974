//! Reading a page of rows past those that cannot be read: one bad row costs that row, and says so. Apart from the
//! engines because it is one rule for every listing of theirs.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::rows::millis;
use super::{AccountOrder, StoreError};
use crate::domain::UnreadableRow;

/// What was found. Fewer than were asked for only when there are no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// In their order.
    pub found: Vec<T>,
    /// The rows between and behind them that cannot be read.
    pub unreadable: Vec<UnreadableRow>,
    /// Whether there is nothing behind all of them.
    pub is_last: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { found: Vec::new(), unreadable: Vec::new(), is_last: true }
    }
}

impl<T> Listed<T> {
    /// What was found; the log is told what could not be read.
    pub fn logged(self) -> Vec<T> {
        for row in &self.unreadable {
            tracing::error!(event = "unreadable", table = row.table, row = row.row, column = row.column, "{row}");
        }
        self.found
    }
}

/// Where a row stands in the order of a listing.
pub(super) trait Place {
    /// The row's key, for people.
    fn row(&self) -> String;
}

impl Place for Uuid {
    fn row(&self) -> String {
        self.to_string()
    }
}

impl Place for (i64, Uuid) {
    fn row(&self) -> String {
        self.1.to_string()
    }
}

impl Place for String {
    fn row(&self) -> String {
        self.clone()
    }
}

/// Where an account stands in the order that is asked for.
pub(super) enum AccountPlace {
    Made(i64, Uuid),
    Named(String, Uuid),
}

impl AccountPlace {
    /// Where the page begins. Behind no name come all names.
    pub fn before(order: &AccountOrder) -> Self {
        match order {
            AccountOrder::Registration(None) => Self::Made(i64::MIN, Uuid::nil()),
            AccountOrder::Registration(Some((at, id))) => Self::Made(millis(*at), *id),
            AccountOrder::Handle { after, .. } => Self::Named(after.clone().unwrap_or_default(), Uuid::nil()),
        }
    }

    /// The time and the id; before all of them by name.
    pub fn made(&self) -> (i64, Uuid) {
        match self {
            Self::Made(at, id) => (*at, *id),
            Self::Named(..) => (i64::MIN, Uuid::nil()),
        }
    }

    pub fn by_making<'r, R: Row>(row: &'r R) -> sqlx::Result<Self>
    where
        &'static str: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        Uuid: Decode<'r, R::Database> + Type<R::Database>,
    {
        by_making(row).map(|(at, id)| Self::Made(at, id))
    }

    pub fn by_name<'r, R: Row>(row: &'r R) -> sqlx::Result<Self>
    where
        &'static str: ColumnIndex<R>,
        Option<String>: Decode<'r, R::Database> + Type<R::Database>,
        Uuid: Decode<'r, R::Database> + Type<R::Database>,
    {
        let username: Option<String> = row.try_get("username")?;
        let email: Option<String> = row.try_get("email")?;
        Ok(Self::Named(username.or(email).unwrap_or_default(), row.try_get("id")?))
    }
}

impl Place for AccountPlace {
    fn row(&self) -> String {
        match self {
            Self::Made(_, id) | Self::Named(_, id) => id.to_string(),
        }
    }
}

/// A page that is being read: asked for again, behind the last row, until it is full or there are no more.
pub(super) struct Page<P, T> {
    table: &'static str,
    after: P,
    limit: u32,
    began: bool,
    listed: Listed<T>,
}

impl<P: Place, T> Page<P, T> {
    pub fn new(table: &'static str, after: P, limit: u32) -> Self {
        Self { table, after, limit, began: false, listed: Listed::default() }
    }

    /// Whether [`Self::missing`] rows behind [`Self::after`] are to be read.
    pub fn goes_on(&self) -> bool {
        self.missing() > 0 && !(self.began && self.listed.is_last)
    }

    pub fn after(&self) -> &P {
        &self.after
    }

    pub fn missing(&self) -> i64 {
        i64::from(self.limit).saturating_sub_unsigned(self.listed.found.len() as u64)
    }

    /// Takes the rows that there are.
    pub fn take<'r, R: Row, S: FromRow<'r, R>>(
        &mut self,
        rows: &'r [R],
        place: fn(&'r R) -> sqlx::Result<P>,
        read: fn(S) -> Result<T, StoreError>,
    ) -> Result<(), StoreError> {
        let asked = self.missing();
        self.began = true;
        for row in rows {
            // Behind a row without a place nothing could be found.
            self.after = place(row).map_err(corrupt)?;
            match S::from_row(row).map_err(corrupt).and_then(read) {
                Ok(found) => self.listed.found.push(found),
                Err(StoreError::Corrupt(cause)) => {
                    let (table, row) = (self.table, self.after.row());
                    let unreadable = cause.downcast::<UnreadableRow>().map_or_else(
                        |cause| UnreadableRow { table, row, column: column(cause.downcast_ref()) },
                        |unreadable| *unreadable,
                    );
                    self.listed.unreadable.push(unreadable);
                }
                Err(other) => return Err(other),
            }
        }
        self.listed.is_last = (rows.len() as i64) < asked;
        Ok(())
    }

    pub fn listed(self) -> Listed<T> {
        self.listed
    }
}

/// In the order of ids.
pub(super) fn by_id<'r, R: Row>(row: &'r R) -> sqlx::Result<Uuid>
where
    &'static str: ColumnIndex<R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get("id")
}

/// In the order of making.
pub(super) fn by_making<'r, R: Row>(row: &'r R) -> sqlx::Result<(i64, Uuid)>
where
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok((row.try_get("created_at")?, row.try_get("id")?))
}

fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt(error.into())
}

/// Which column the driver could not decode.
fn column(error: Option<&sqlx::Error>) -> String {
    match error {
        Some(sqlx::Error::ColumnDecode { index, .. }) => index.trim_matches('"').to_owned(),
        _ => "?".to_owned(),
    }
}
