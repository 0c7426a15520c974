//! `countersign attempts …`: failed sign-ins, by the name that was tried, whether anybody has it or not.

use super::account::parse;
use super::{CommandError, operator, output};
use crate::config::{AttemptsCommand, Printed, Settings};

/// Runs one command.
pub async fn attempts(settings: &Settings, printed: Printed<AttemptsCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        AttemptsCommand::Show { handle } => {
            let handle = parse(&handle)?;
            let state = output::attempts(handle.as_str(), operator.attempt_state(&handle).await?);
            output.print(|| output::in_full(&state), || state.clone())
        }
        AttemptsCommand::Clear { handle } => {
            let handle = parse(&handle)?;
            let changed = operator.clear_attempts(&handle).await?;
            let what = if changed { "are forgotten" } else { "were none" };
            output.print(
                || format!("failed sign-ins as {handle} {what}"),
                || serde_json::json!({ "handle": handle.as_str(), "changed": changed }),
            )
        }
    })
    .await
}
