//! `countersign manual …`: writes the manual pages, for packages.

use std::path::Path;

use super::CommandError;
use crate::config::Cli;

/// Writes a page for the program and one for each command into an existing folder, such as `countersign-account.1`.
pub(crate) fn manual(folder: &Path) -> Result<(), CommandError> {
    let file = folder.to_owned();
    clap_mangen::generate_to(Cli::tailored(), folder).map_err(|cause| CommandError::Manual { folder: file, cause })
}
