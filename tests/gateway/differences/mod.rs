//! Every difference to the other transcoder that is meant, or is the other's defect: when it applies, and why it is
//! right. As narrow as can be, for what is listed here is not looked at any further. By where it shows: `http`,
//! `routes`, `values`, `bodies`; and `limits`, which are ours.

mod bodies;
mod http;
mod limits;
mod routes;
mod values;

use crate::differ::Case;

/// One of them.
pub struct Difference {
    pub name: &'static str,
    /// Which source says that our answer is the right one; or whose choice it is.
    #[expect(dead_code, reason = "for the reader of the list")]
    pub because: &'static str,
    pub applies: fn(&Case<'_>) -> bool,
}

/// The list.
pub fn all() -> Vec<&'static Difference> {
    [http::LIST, routes::LIST, values::LIST, bodies::LIST, limits::LIST].into_iter().flatten().collect()
}
