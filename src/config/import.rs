//! The arguments of `import` and `export`. Separate from the settings because they belong to one run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What to import, and how.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file to read; `-` is standard input
    pub file: PathBuf,
    /// The format of the file
    #[arg(long, value_enum)]
    pub format: ImportFormat,
    /// Report what would happen to each account, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take single passes of MD5 and SHA-1, such as {SSHA}; each is hashed with argon2id at once
    #[arg(long)]
    pub allow_weak: bool,
    /// The bcrypt hashes are of the hexadecimal SHA-256 of passwords, as Meteor makes them
    #[arg(long)]
    pub hex_sha256: bool,
    /// A file for the accounts that were not imported, with the reason: one JSON object on each line
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// The format of a file of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// One JSON object on each line, as `countersign export` writes it
    Ndjson,
    /// A mongoexport of the collection `users`, one object on each line
    MongoUsers,
    /// The SQLite file with the table `users`
    UsernameSqlite,
    /// The table `auth.users` as CSV, with a header row
    AuthUsersCsv,
}

/// The file to export to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file to create; standard output if it is left out or `-`
    pub file: Option<PathBuf>,
}
