//! `countersign mail …`: lists and retries mail that was given up.

use super::{CommandError, all, operator, output};
use crate::config::{MailCommand, Printed, Settings};

/// The number of mails in one page.
const PAGE: u32 = 500;

/// Lists mail that was given up, or queues it again. The database must exist.
pub(crate) async fn mail(settings: &Settings, printed: Printed<MailCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        MailCommand::List => {
            all(
                async |after| operator.dead_mail(after, PAGE).await,
                |last| last.id,
                |mail| output.print(|| output::mail_line(mail), || output::mail(mail)),
            )
            .await
        }
        MailCommand::Retry { id: Some(id), .. } => {
            if !operator.retry_mail(id).await? {
                return Err(CommandError::NoMail(id));
            }
            let value = serde_json::json!({ "id": id, "retried": 1 });
            output.print(|| format!("mail {id} will be sent again"), || value)
        }
        MailCommand::Retry { id: None, .. } => {
            // A mail that is given up again meanwhile comes before the page that was reached.
            let (mut after, mut retried) = (None, 0_u64);
            loop {
                let page = operator.dead_mail(after, PAGE).await?.found;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                for mail in &page {
                    retried += u64::from(operator.retry_mail(mail.id).await?);
                }
            }
            let value = serde_json::json!({ "retried": retried });
            output.print(|| format!("{retried} mails will be sent again"), || value)
        }
    })
    .await
}
