//! Changes that are a list of statements with their parameters, which each engine runs in one transaction, because no
//! statement needs the result of another one. Both engines have a function `bound::run` for them.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::rows::millis;
use crate::store::tables::Value;

/// A statement of a change with its parameters.
pub(in crate::store) struct BoundStatement {
    pub sql: &'static str,
    pub values: Vec<Value>,
    /// Whether the change is not made unless this statement changes a row.
    pub decides: bool,
}

pub(in crate::store) fn decides(sql: &'static str, values: Vec<Value>) -> BoundStatement {
    BoundStatement { sql, values, decides: true }
}

pub(in crate::store) fn also(sql: &'static str, values: Vec<Value>) -> BoundStatement {
    BoundStatement { sql, values, decides: false }
}

pub(in crate::store) fn id(id: Uuid) -> Value {
    Value::Id(Some(id))
}

pub(in crate::store) fn number(number: i64) -> Value {
    Value::Number(Some(number))
}

pub(in crate::store) fn text(text: &str) -> Value {
    Value::Text(Some(text.to_owned()))
}

pub(in crate::store) fn time(time: OffsetDateTime) -> Value {
    number(millis(time))
}
