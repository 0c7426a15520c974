//! The rules for a password that is being set: the policy, and the operator's file of breached passwords. Separate from
//! the use cases that set one, because there are several and the command line checks passwords without them.

use super::errors::refuse_field;
use crate::breaches::Breaches;
use crate::domain::{AuthError, NewPassword, Password, PasswordContext, PasswordPolicy};

/// The rules that new passwords must meet.
#[derive(Debug, Clone)]
pub(crate) struct PasswordRules {
    /// The requirements on the password itself.
    pub policy: PasswordPolicy,
    /// The passwords known from breaches, if the operator has a file of them.
    pub breaches: Option<Breaches>,
}

impl PasswordRules {
    /// Checks a password for the account of `context`. `field` is the name of the field in the request.
    pub(crate) async fn check(
        &self,
        field: &'static str,
        password: Password,
        context: &PasswordContext,
    ) -> Result<NewPassword, AuthError> {
        let password = NewPassword::judge(password, &self.policy, context).map_err(|why| refuse_field(field, why))?;
        self.require_unbreached(field, &password).await?;
        Ok(password)
    }

    /// Refuses a password that is known from a breach. Refuses every password while the file cannot be read, because
    /// any of them may be in it.
    pub(super) async fn require_unbreached(
        &self,
        field: &'static str,
        password: &NewPassword,
    ) -> Result<(), AuthError> {
        let Some(breaches) = &self.breaches else {
            return Ok(());
        };
        if breaches.contain(password).await? {
            return Err(refuse_field(field, "is known from a data breach: choose another"));
        }
        Ok(())
    }
}
