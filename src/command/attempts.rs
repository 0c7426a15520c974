//! `countersign attempts …`: shows and forgets failed sign-ins, by the name that was tried.

use super::account::parse;
use super::{CommandError, all, operator, output};
use crate::config::{AttemptsCommand, Printed, Settings};

/// The number of counters in one page.
const PAGE: u32 = 500;

/// Lists, shows or forgets failed sign-ins. The database must exist.
pub(crate) async fn attempts(settings: &Settings, printed: Printed<AttemptsCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        AttemptsCommand::List => {
            all(
                async |after| operator.list_attempts(after.as_ref(), PAGE).await,
                |last| last.key,
                |spent| output.print(|| output::spent_line(spent), || output::spent(spent)),
            )
            .await
        }
        AttemptsCommand::Show { handle } => {
            let handle = parse(&handle)?;
            let state = output::attempts(Some(handle.as_str()), operator.attempt_state(&handle).await?);
            output.print(|| output::in_full(&state), || state.clone())
        }
        AttemptsCommand::Clear { handle } => {
            let handle = parse(&handle)?;
            let changed = operator.clear_attempts(&handle).await?;
            let line = if changed { "forgot the failed sign-ins as" } else { "there were no failed sign-ins as" };
            output.print(
                || format!("{line} {handle}"),
                || serde_json::json!({ "handle": handle.as_str(), "changed": changed }),
            )
        }
    })
    .await
}
