//! Notices by mail about changes that are already made. Separate because the use cases of owners, of administrators and
//! of the command line send them.

use super::new_rows::new_id;
use crate::domain::{Account, Identity, MailKind, NewMail};
use crate::store::Store;
use countersign_guard::clock::Clock;

/// Queues a notice to the owner of an email account. The change is made already, so a notice that cannot be queued is
/// only logged.
pub(super) async fn notify_owner(store: &dyn Store, clock: &dyn Clock, account: &Account, kind: MailKind) {
    let Identity::Email { email, .. } = &account.identity else { return };
    let mail =
        NewMail { id: new_id(clock), kind, recipient: email.clone(), subject: account.id, queued_at: clock.now() };
    if let Err(error) = store.queue_mail(&mail).await {
        let (kind, account) = (kind.as_str(), account.id);
        tracing::warn!(event = "notice", kind, %account, cause = %error, "the owner is not notified");
    }
}
