//! The arguments of `import` and `export`. Apart from the settings because they are of one run each.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What to import, and how.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file to read; `-` is standard input
    pub file: PathBuf,
    /// What it is written in
    #[arg(long, value_enum)]
    pub format: ImportFormat,
    /// Only tell what would become of each account
    #[arg(long)]
    pub dry_run: bool,
    /// A file to write what was not imported to, and why: a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// What a file of accounts is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// A JSON object a line, as `countersign export` writes it
    Ndjson,
    /// A mongoexport of the collection `users`, an object a line
    MongoUsers,
    /// The SQLite file with the table `users`
    UsernameSqlite,
    /// The table `auth.users` as CSV, with a row of names
    AuthUsersCsv,
}

/// Where to export to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file to make; standard output when left out or `-`
    pub file: Option<PathBuf>,
}
