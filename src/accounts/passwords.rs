//! What a password that is being set must stand up to: the policy, and the operator's file of breached ones. Apart from
//! the use cases that set one, because they are many, and the command line has it without them.

use super::Accounts;
use crate::breaches::{Breaches, BreachesError};
use crate::domain::{AuthError, NewPassword, Password, PasswordContext, PasswordPolicy, Violations};

/// What new passwords are judged by.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// What is asked of the password itself.
    pub policy: PasswordPolicy,
    /// Those that are known from breaches, if the operator has a file of them.
    pub breaches: Option<Breaches>,
}

impl PasswordRules {
    /// Judges a password for the account of `context`; `field` is what the request calls it.
    pub async fn judge(
        &self,
        field: &'static str,
        password: Password,
        context: &PasswordContext,
    ) -> Result<NewPassword, AuthError> {
        let password = NewPassword::judge(password, &self.policy, context).map_err(|why| refused(field, why))?;
        self.require_unbreached(field, &password).await?;
        Ok(password)
    }

    /// Refuses a password that is known from a breach; and any at all while the file cannot be read, for it may be one.
    pub(super) async fn require_unbreached(
        &self,
        field: &'static str,
        password: &NewPassword,
    ) -> Result<(), AuthError> {
        let Some(breaches) = &self.breaches else {
            return Ok(());
        };
        if breaches.contain(password).await? {
            return Err(refused(field, "is known from a data breach: choose another"));
        }
        Ok(())
    }
}

impl Accounts {
    /// What is asked of a new password itself, for whoever names every bad field at once.
    pub fn policy(&self) -> &PasswordPolicy {
        &self.rules.passwords.policy
    }

    /// Judges a password that is about to be set for the account of `context`, before it is hashed; `field` is what the
    /// request calls it.
    pub async fn judge_new_password(
        &self,
        field: &'static str,
        password: Password,
        context: &PasswordContext,
    ) -> Result<NewPassword, AuthError> {
        self.rules.passwords.judge(field, password, context).await
    }
}

fn refused(field: &'static str, why: &'static str) -> AuthError {
    let mut bad = Violations::default();
    bad.add(field, why);
    AuthError::Validation(bad)
}

impl From<BreachesError> for AuthError {
    fn from(error: BreachesError) -> Self {
        Self::PasswordUnchecked(error.into())
    }
}
