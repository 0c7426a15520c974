//! `countersign audit …`: searches the events of the audit trail.

use countersign_guard::clock::{Clock as _, SystemClock};
use uuid::Uuid;

use super::account::find;
use super::{CommandError, all, operator, output};
use crate::config::{AuditCommand, Printed, Settings};
use crate::domain::Action;
use crate::store::AuditPage;

/// The number of events in one page.
const PAGE: usize = 500;

const ACTION: &str = "must be the name of an action, such as login, as `countersign audit list` shows it";

/// Prints the events of the audit trail that match all filters, the newest first. The database must exist.
pub(crate) async fn audit(settings: &Settings, printed: Printed<AuditCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        AuditCommand::List { account, firm, action, since, limit } => {
            let account = match account {
                // A deleted account is known by its id only.
                Some(text) => Some(match Uuid::try_parse(&text) {
                    Ok(id) => id,
                    Err(_) => find(operator, &text).await?.id,
                }),
                None => None,
            };
            let action =
                action.map(|name| Action::parse(&name).ok_or(CommandError::Invalid("--action", ACTION))).transpose()?;
            let from = since.map(|since| SystemClock.now() - since);
            let mut left = limit;
            all(
                async |after| {
                    let limit = u32::try_from(left.min(PAGE)).unwrap_or(1);
                    let page = AuditPage { account, firm, action, from, until: None, after, limit };
                    let events = operator.events(&page).await?;
                    left -= events.found.len();
                    Ok(events)
                },
                |last| (last.at, last.id),
                |event| output.print(|| output::event_line(event), || output::event(event)),
            )
            .await
        }
    })
    .await
}
