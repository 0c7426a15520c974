//! `countersign session …`: lists and ends sessions. A running server hears of ended sessions within a second.

use super::account::find;
use super::{CommandError, all, operator, output};
use crate::config::{Printed, SessionCommand, Settings};

/// The number of sessions in one page.
const PAGE: u32 = 500;

/// Lists or ends sessions, of one account or by their id. The database must exist.
pub(crate) async fn session(settings: &Settings, printed: Printed<SessionCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        SessionCommand::List { handle } => {
            let account = find(operator, &handle).await?;
            all(
                async |after| operator.sessions(account.id, after, PAGE).await,
                |last| (last.session.created_at, last.session.id),
                |session| output.print(|| output::session_line(session), || output::session(session)),
            )
            .await
        }
        SessionCommand::End { all_of: Some(handle), .. } => {
            let account = find(operator, &handle).await?;
            let ended = operator.end_sessions(account.id).await?.len();
            let line = format!("ended {ended} sessions of {account}");
            output.print(|| line, || serde_json::json!({ "account_id": account.id, "ended": ended }))
        }
        SessionCommand::End { id: Some(id), .. } => {
            let account = operator.end_session(id).await?.ok_or(CommandError::NoSession(id))?;
            output.print(
                || format!("ended session {id}"),
                || serde_json::json!({ "account_id": account, "id": id, "ended": 1 }),
            )
        }
        // clap requires one of the two arguments.
        SessionCommand::End { id: None, all_of: None } => Ok(()),
    })
    .await
}
