//! Every difference from the other transcoder that is intended or is the other's fault: when it applies, and why ours
//! is right. Entries are as narrow as possible, because what they cover is not compared further. They are sorted by
//! place: `http`, `routes`, `values`, `bodies`. Our own faults are in `limits`.

mod bodies;
mod http;
mod limits;
mod routes;
mod values;

use crate::differ::Case;

/// A known difference between the two transcoders.
pub struct Difference {
    pub name: &'static str,
    /// The source that requires our answer, or the reason for our choice.
    #[expect(dead_code, reason = "for the reader of the list")]
    pub because: &'static str,
    pub applies: fn(&Case<'_>) -> bool,
}

/// All known differences, in order.
pub fn all() -> Vec<&'static Difference> {
    [http::LIST, routes::LIST, values::LIST, bodies::LIST, limits::LIST].into_iter().flatten().collect()
}
