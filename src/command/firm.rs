//! `countersign firm …`: shows firms, and works with invitations.

use super::{CommandError, all, operator, output};
use crate::config::{FirmCommand, Printed, Settings};
use crate::domain::{AuthError, Email, Role};

/// The number of firms or invitations in one page.
const PAGE: u32 = 500;

/// Lists and shows firms, and creates, lists and revokes invitations to them. The database must exist.
pub(crate) async fn firm(settings: &Settings, printed: Printed<FirmCommand>) -> Result<(), CommandError> {
    let Printed { output, command } = printed;
    operator(settings, async |operator| match command {
        FirmCommand::List => {
            all(
                async |after| operator.firms(after, PAGE).await,
                |last| (last.created_at, last.firm.id),
                |firm| output.print(|| output::firm_line(firm), || output::firm(firm)),
            )
            .await
        }
        FirmCommand::Show { id } => {
            let firm = output::firm(&operator.firm(id).await?.ok_or(CommandError::NoFirm(id))?);
            output.print(|| output::in_full(&firm), || firm.clone())
        }
        FirmCommand::Invite { id, email, role } => {
            let email = Email::parse(&email).map_err(|why| CommandError::Invalid("email", why))?;
            let role = Role::parse(&role).ok_or(CommandError::Invalid("--role", "must be admin, user or viewer"))?;
            let invitation = match operator.invite(id, email, role).await {
                Err(AuthError::NotFound(_)) => return Err(CommandError::NoFirm(id)),
                invited => invited?,
            };
            let line = format!("invited {} to {}", invitation.email, invitation.firm.name.as_str());
            output.print(|| line, || output::invitation(&invitation))
        }
        FirmCommand::Invitations { id } => {
            operator.firm(id).await?.ok_or(CommandError::NoFirm(id))?;
            all(
                async |after| operator.invitations(id, after, PAGE).await,
                |last| (last.created_at, last.id),
                |invitation| output.print(|| output::invitation_line(invitation), || output::invitation(invitation)),
            )
            .await
        }
        FirmCommand::Revoke { invitation: id } => {
            let revoked = operator.revoke_invitation(id).await?.ok_or(CommandError::NoInvitation(id))?;
            let line = format!("withdrew the invitation of {} to {}", revoked.email, revoked.firm.name.as_str());
            output.print(|| line, || output::invitation(&revoked))
        }
    })
    .await
}
