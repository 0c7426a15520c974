//! `countersign export`: writes all accounts with their hashes, as `countersign import --format ndjson` reads them.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::stop::Stop;
use super::{CommandError, operator_on, require_all, say, tell};
use crate::accounts::Operator;
use crate::config::{ExportArgs, Settings};
use crate::import::ndjson;
use crate::store::{self, Purpose};

/// Exports to a new file, or to standard output.
pub(crate) async fn export(settings: &Settings, args: &ExportArgs) -> Result<(), CommandError> {
    let mut stop = Stop::new()?;
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    // A terminal keeps what it shows in its history. The argument `-` says that hashes may be shown there.
    if args.file.is_none() && io::stdout().is_terminal() {
        return Err(CommandError::ToTerminal);
    }
    let store = store::open(&settings.database_url()?, Purpose::OperateExisting).await?;
    let operator = operator_on(&store).await?;
    let result = match file {
        Some(file) => to_file(&operator, file, &mut stop).await,
        None => {
            let mut output = BufWriter::new(io::stdout());
            match write(&operator, &mut output, &mut stop).await {
                // The reader of the pipe has closed it, as `head` does.
                Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                done => done.and_then(|written| require_all(written.left_out)),
            }
        }
    };
    store.close().await;
    result
}

/// Writes to a file that only its owner may read, and that appears only when it is complete.
async fn to_file(operator: &Operator, file: &Path, stop: &mut Stop) -> Result<(), CommandError> {
    let failed = |cause| CommandError::Export { file: file.to_owned(), cause };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    let mut output = BufWriter::new(made);
    let written = match write(operator, &mut output, stop).await {
        Ok(accounts) => output.get_ref().sync_all().map(|()| accounts).map_err(failed),
        Err(CommandError::Output(cause)) => Err(failed(cause)),
        Err(error) => Err(error),
    };
    if written.is_err() {
        let _ = fs::remove_file(file);
    }
    let Written { accounts, left_out } = written?;
    say(&format!("exported {accounts} accounts to {}", file.display()))?;
    say("The file contains password hashes: protect it as you protect the database.")?;
    require_all(left_out)
}

/// How many accounts were written, and how many could not be read.
#[derive(Default)]
struct Written {
    accounts: u64,
    left_out: usize,
}

async fn write(operator: &Operator, output: &mut impl Write, stop: &mut Stop) -> Result<Written, CommandError> {
    // The audit trail records the export before anything is written.
    operator.record_export().await?;
    let (mut after, mut written) = (None, Written::default());
    loop {
        let page = stop.unless(operator.export(after)).await??;
        written.left_out += tell(&page.unreadable);
        for account in &page.found {
            ndjson::write(account, output)?;
            written.accounts += 1;
        }
        after = page.found.last().map(|last| last.id);
        if page.is_last {
            output.flush()?;
            return Ok(written);
        }
    }
}
