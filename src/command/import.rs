//! `countersign import`: stores the accounts of a file batch by batch, and reports each one that was not imported.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use countersign_guard::clock::{Clock as _, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::stop::Stop;
use super::{CommandError, operator_on, say};
use crate::accounts::Import;
use crate::config::{ImportArgs, ImportFormat, Settings};
use crate::domain::password_hash::{HashTerms, SinglePasses};
use crate::domain::{ImportTerms, Imported};
use crate::import::{AccountFile, Format, Record, SourceName};
use crate::store::{self, Purpose};

/// How many problems are printed; the report holds all of them.
const SHOWN: u64 = 100;

/// Imports the accounts of a file, batch by batch. Returns an error at the end if an account was not imported.
pub(crate) async fn import(settings: &Settings, args: &ImportArgs) -> Result<(), CommandError> {
    let mut stop = Stop::new()?;
    let single_passes = if args.allow_weak { SinglePasses::All } else { SinglePasses::Sha2 };
    let hashes = HashTerms { bound: settings.import_hash_cost, single_passes, hex_sha256: args.hex_sha256 };
    let terms = ImportTerms { now: SystemClock.now(), hashes };
    let source = AccountFile::open(format(args.format), &args.file, terms).await?;
    let report = args.report.as_deref().map(make_report).transpose()?;
    let store = store::open(&settings.database_url()?, Purpose::Operate).await?;
    let operator = operator_on(&store).await?;
    let mut run = Run { counts: ImportCounts::default(), told: 0, report, bar: bar(&source), file: &args.file };
    let result = match operator.import(args.dry_run).await {
        Ok(mut import) => {
            let read = run.read(source, &mut import, &mut stop).await;
            let told = operator.record_import(&import).await;
            read.and(told.map_err(CommandError::from))
        }
        Err(error) => Err(error.into()),
    };
    let audited = operator.settle().await;
    store.close().await;
    let result = result.and_then(|()| Ok(audited?));
    run.finish(args.dry_run, result)
}

fn format(format: ImportFormat) -> Format {
    match format {
        ImportFormat::Ndjson => Format::Ndjson,
        ImportFormat::MongoUsers => Format::MongoUsers,
        ImportFormat::UsernameSqlite => Format::UsernameSqlite,
        ImportFormat::AuthUsersCsv => Format::AuthUsersCsv,
    }
}

/// What happened to the accounts so far.
#[derive(Debug, Default)]
struct ImportCounts {
    new: u64,
    unchanged: u64,
    collisions: u64,
    refused: u64,
    /// New accounts with a name that was cleaned.
    cleaned: u64,
}

/// The line or row of an account, and how the file names the account.
#[derive(Clone)]
struct Place {
    line: u64,
    source: Option<SourceName>,
}

struct Run<'a> {
    counts: ImportCounts,
    /// How many problems have been printed.
    told: u64,
    report: Option<BufWriter<File>>,
    bar: ProgressBar,
    file: &'a Path,
}

impl Run<'_> {
    /// Stores a batch while the next one is read.
    async fn read(
        &mut self,
        mut source: AccountFile,
        import: &mut Import,
        stop: &mut Stop,
    ) -> Result<(), CommandError> {
        let mut records = stop.unless(source.next()).await??;
        while !records.is_empty() {
            // A batch that has begun is finished, even after a signal.
            let (taken, next) = tokio::join!(self.take(import, records), stop.unless(source.next()));
            taken?;
            records = next??;
            self.bar.set_position(source.done());
        }
        Ok(())
    }

    async fn take(&mut self, import: &mut Import, records: Vec<Record>) -> Result<(), CommandError> {
        let (mut accounts, mut named, mut problems) = (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
        for Record { place, source, account, notes } in records {
            let place = Place { line: place, source };
            match account {
                Ok(account) => {
                    named.push((place, account.handle(), account.id, notes, account.notes.join("; ")));
                    accounts.push(account);
                }
                Err(refusal) => {
                    self.counts.refused += 1;
                    problems.push((place, json!({ "outcome": "refused", "reason": refusal.to_string() })));
                }
            }
        }
        for (imported, (place, handle, id, notes, cleaned)) in import.take(accounts).await?.into_iter().zip(named) {
            let handle = handle.as_str();
            let place = || place.clone();
            match imported {
                Imported::New => {
                    self.counts.new += 1;
                    self.counts.cleaned += u64::from(!cleaned.is_empty());
                    let cleaned = (!cleaned.is_empty()).then_some(("cleaned", cleaned));
                    let notes = notes.into_iter().map(|note| ("noted", note.to_owned())).chain(cleaned);
                    problems.extend(notes.map(|(outcome, reason)| {
                        (place(), json!({ "outcome": outcome, "reason": reason, "handle": handle, "id": id }))
                    }));
                }
                Imported::Unchanged => self.counts.unchanged += 1,
                Imported::HandleTaken | Imported::IdTaken => {
                    self.counts.collisions += 1;
                    let reason = imported.problem();
                    problems.push((
                        place(),
                        json!({ "outcome": "collision", "reason": reason, "handle": handle, "id": id }),
                    ));
                }
            }
        }
        problems.sort_by_key(|(place, _)| place.line);
        problems.into_iter().try_for_each(|(place, problem)| self.tell(&place, problem))
    }

    /// Prints the file, the line, the names that the account has there, and the reason.
    fn tell(&mut self, place: &Place, mut problem: Value) -> Result<(), CommandError> {
        self.told += 1;
        let reason = problem["reason"].as_str().unwrap_or_default();
        let source = place.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        let line = match self.told {
            0..=SHOWN => format!("{}:{}{source}: {reason}", self.file.display(), place.line),
            told if told == SHOWN + 1 => "… and more; --report FILE writes all of them".to_owned(),
            _ => String::new(),
        };
        if !line.is_empty() {
            // Standard error may be closed.
            self.bar.suspend(|| drop(writeln!(io::stderr(), "{line}")));
        }
        if let Some(report) = &mut self.report {
            problem["line"] = place.line.into();
            if let Some(SourceName { id, username, .. }) = &place.source {
                problem["source"] = json!({ "id": id, "username": username });
            }
            writeln!(report, "{problem}").map_err(CommandError::Report)?;
        }
        Ok(())
    }

    /// Prints the totals, also after an import that ended early.
    fn finish(mut self, dry_run: bool, result: Result<(), CommandError>) -> Result<(), CommandError> {
        self.bar.finish_and_clear();
        if let Some(report) = &mut self.report {
            report.flush().map_err(CommandError::Report)?;
        }
        let ImportCounts { new, unchanged, collisions, refused, cleaned } = self.counts;
        say(&format!("{}  {new}", if dry_run { "importable" } else { "imported  " }))?;
        say(&format!("unchanged   {unchanged}"))?;
        say(&format!("collisions  {collisions}"))?;
        say(&format!("refused     {refused}"))?;
        if cleaned > 0 {
            say(&format!("cleaned     {cleaned}"))?;
        }
        result.map_err(|error| match error {
            CommandError::Stopped => CommandError::ImportStopped,
            other => other,
        })?;
        if collisions + refused > 0 {
            return Err(CommandError::NotAllImported {
                not: collisions + refused,
                of: new + unchanged + collisions + refused,
            });
        }
        Ok(())
    }
}

/// The report holds names, so only its owner may read it.
fn make_report(file: &Path) -> Result<BufWriter<File>, CommandError> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    made.map(BufWriter::new).map_err(CommandError::Report)
}

/// Shows a progress bar, on a terminal only.
fn bar(source: &AccountFile) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match source.total() {
        Some(total) => (ProgressBar::new(total), "{percent:>3} % {wide_bar} {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {elapsed}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    bar.enable_steady_tick(Duration::from_millis(250));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
