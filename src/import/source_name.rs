//! The names of an account in the system that it comes from. Separate because both stores of the username contract have
//! them, and an account that is not imported is reported by them.

use std::fmt;

/// How many characters of a name are kept for a report.
const SHOWN: usize = 100;

/// The id and the username of an account as its file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceName {
    pub id: String,
    pub username: String,
    /// Whether the owner could sign in there. That server trims what was typed, brings it into lower case, and looks
    /// for exactly that.
    pub(super) could_sign_in: bool,
}

impl SourceName {
    pub(super) fn new(id: &str, username: &str) -> Self {
        let shown = |text: &str| text.chars().take(SHOWN).collect();
        let could_sign_in = username.trim().to_lowercase() == username;
        Self { id: shown(id), username: shown(username), could_sign_in }
    }
}

/// The names in quotation marks, without characters that would change a terminal.
impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {:?}, username {:?}", self.id, self.username)
    }
}
