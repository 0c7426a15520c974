//! Reads a page of rows past the rows that cannot be read: a damaged row is reported and does not end the list. Both
//! engines read every list in this way.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::rows::millis;
use super::{AccountOrder, StoreError};
use crate::domain::UnreadableRow;

/// A page of a list. It holds fewer entries than were asked for only if there are no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries that can be read, in the order of the list.
    pub found: Vec<T>,
    /// The rows between and after the found ones that cannot be read.
    pub unreadable: Vec<UnreadableRow>,
    /// Whether nothing comes after this page.
    pub is_last: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { found: Vec::new(), unreadable: Vec::new(), is_last: true }
    }
}

impl<T> Listed<T> {
    /// Returns what was found, and logs what could not be read.
    pub fn logged(self) -> Vec<T> {
        for row in &self.unreadable {
            tracing::error!(event = "unreadable", table = row.table, row = row.row, column = row.column, "{row}");
        }
        self.found
    }
}

/// The position of a row in the order of a list.
pub(super) trait PageKey {
    /// The key of the row, for an operator.
    fn row(&self) -> String;
}

impl PageKey for Uuid {
    fn row(&self) -> String {
        self.to_string()
    }
}

impl PageKey for (i64, Uuid) {
    fn row(&self) -> String {
        self.1.to_string()
    }
}

impl PageKey for String {
    fn row(&self) -> String {
        self.clone()
    }
}

/// The position of an account in the order that was asked for.
pub(super) enum AccountKey {
    Created(i64, Uuid),
    Name(String, Uuid),
}

impl AccountKey {
    /// The position before the page. Every name comes after the empty one.
    pub(super) fn before(order: &AccountOrder) -> Self {
        match order {
            AccountOrder::Registration(None) => Self::Created(i64::MIN, Uuid::nil()),
            AccountOrder::Registration(Some((at, id))) => Self::Created(millis(*at), *id),
            AccountOrder::Handle { after, .. } => {
                let (name, id) = after.clone().unwrap_or_default();
                Self::Name(name, id)
            }
        }
    }

    /// The time and the id; if the order is that of names, a position before all accounts.
    pub(super) fn created(&self) -> (i64, Uuid) {
        match self {
            Self::Created(at, id) => (*at, *id),
            Self::Name(..) => (i64::MIN, Uuid::nil()),
        }
    }

    pub(super) fn by_creation<'r, R: Row>(row: &'r R) -> sqlx::Result<Self>
    where
        &'static str: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        Uuid: Decode<'r, R::Database> + Type<R::Database>,
    {
        by_creation(row).map(|(at, id)| Self::Created(at, id))
    }

    pub(super) fn by_name<'r, R: Row>(row: &'r R) -> sqlx::Result<Self>
    where
        &'static str: ColumnIndex<R>,
        Option<String>: Decode<'r, R::Database> + Type<R::Database>,
        Uuid: Decode<'r, R::Database> + Type<R::Database>,
    {
        let username: Option<String> = row.try_get("username")?;
        let email: Option<String> = row.try_get("email")?;
        Ok(Self::Name(username.or(email).unwrap_or_default(), row.try_get("id")?))
    }
}

impl PageKey for AccountKey {
    fn row(&self) -> String {
        match self {
            Self::Created(_, id) | Self::Name(_, id) => id.to_string(),
        }
    }
}

/// A page that is being read. Its query is repeated after the last row until the page is full or no rows are left.
pub(super) struct PageReader<K, T> {
    table: &'static str,
    after: K,
    limit: u32,
    has_begun: bool,
    listed: Listed<T>,
}

impl<K: PageKey, T> PageReader<K, T> {
    pub(super) fn new(table: &'static str, after: K, limit: u32) -> Self {
        Self { table, after, limit, has_begun: false, listed: Listed::default() }
    }

    /// Whether [`Self::missing`] rows after [`Self::after`] are still to be read.
    pub(super) fn goes_on(&self) -> bool {
        self.missing() > 0 && !(self.has_begun && self.listed.is_last)
    }

    pub(super) fn after(&self) -> &K {
        &self.after
    }

    pub(super) fn missing(&self) -> i64 {
        i64::from(self.limit).saturating_sub_unsigned(self.listed.found.len() as u64)
    }

    /// Adds the rows that the query returned.
    pub(super) fn take<'r, R: Row, S: FromRow<'r, R>>(
        &mut self,
        rows: &'r [R],
        key: fn(&'r R) -> sqlx::Result<K>,
        read: fn(S) -> Result<T, StoreError>,
    ) -> Result<(), StoreError> {
        let asked = self.missing();
        self.has_begun = true;
        for row in rows {
            // Without the key of a row, the rows after it cannot be found.
            self.after = key(row).map_err(corrupt)?;
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

    pub(super) fn listed(self) -> Listed<T> {
        self.listed
    }
}

/// The key of a list in the order of ids.
pub(super) fn by_id<'r, R: Row>(row: &'r R) -> sqlx::Result<Uuid>
where
    &'static str: ColumnIndex<R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get("id")
}

/// The key of a list in the order of creation.
pub(super) fn by_creation<'r, R: Row>(row: &'r R) -> sqlx::Result<(i64, Uuid)>
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

/// The column that the driver could not decode.
fn column(error: Option<&sqlx::Error>) -> String {
    match error {
        Some(sqlx::Error::ColumnDecode { index, .. }) => index.trim_matches('"').to_owned(),
        _ => "?".to_owned(),
    }
}
