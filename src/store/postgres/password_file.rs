//! Says why the driver did not use PostgreSQL's password file. It warns in the log only, and then connects without a
//! password, so the refusal that follows would name the wrong cause.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Why the file of `PGPASSFILE`, or else `~/.pgpass`, cannot be used, as the second half of a sentence. `None` if it
/// can be used, or if the driver has a password.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver reads these variables by itself; this only explains a refusal"
)]
pub(super) fn problem() -> Option<String> {
    if std::env::var_os("PGPASSWORD").is_some() {
        return None;
    }
    match std::env::var_os("PGPASSFILE") {
        Some(file) => unusable(&PathBuf::from(file), true),
        None => unusable(&std::env::home_dir()?.join(".pgpass"), false),
    }
}

fn unusable(path: &PathBuf, is_named: bool) -> Option<String> {
    let name =
        if is_named { format!("the file of PGPASSFILE ({})", path.display()) } else { path.display().to_string() };
    match fs::File::open(path).and_then(|file| file.metadata()) {
        // The driver's own rule, which is that of PostgreSQL's programs.
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o777;
            Some(format!("{name} is not used, because other users can read it (mode {mode:04o}): chmod 600"))
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => None,
        Err(error) => Some(format!("{name} cannot be read: {error}")),
    }
}
