//! Registration: a stranger creates an account, if the service allows it. Separate from `administration`, in which
//! accounts are created for others.

use super::core::{Accounts, turn};
use super::guessing::charge;
use super::new_rows::{new_id, to_the_second};
use super::tasks::run_to_end;
use crate::domain::{
    Account, AccountStatus, Action, AuthError, Call, Email, Firm, FirmName, Identity, MailKind, NewAccount, NewMail,
    NewPassword, PersonName, Role, Username,
};
use crate::store::StoreError;
use countersign_guard::clock::Clock;
use countersign_guard::token::IssuedToken;

/// The identity of a new account. Its ids are chosen by the service.
#[derive(Debug, Clone)]
pub enum Registration {
    /// An account that signs in by username.
    Username(Username),
    /// An account that signs in by email, as the first administrator of a new firm. It cannot join an existing firm by
    /// typing the firm's name: that would give access to other people's data.
    Email {
        /// The email address, not yet verified.
        email: Email,
        /// The name of the person.
        name: PersonName,
        /// The name of the new firm.
        firm_name: FirmName,
    },
}

impl Registration {
    /// The identity of the account that this registration creates.
    pub(super) fn identity(self, clock: &dyn Clock) -> Identity {
        match self {
            Self::Username(username) => Identity::Username(username),
            Self::Email { email, name, firm_name } => {
                let firm = Firm { id: new_id(clock), name: firm_name };
                Identity::Email { email, name, firm, role: Role::Admin, verified: false }
            }
        }
    }
}

impl Accounts {
    /// Refuses when registration is closed. Called before a request is even validated.
    pub(crate) fn require_open_registration(&self, call: &Call) -> Result<(), AuthError> {
        if self.rules.registration_open {
            return Ok(());
        }
        self.audit(Action::Register, call, None, None, "closed");
        Err(AuthError::RegistrationClosed)
    }

    /// Registers an account. A username account is signed in at once, as its API promises.
    pub(crate) async fn register(
        &self,
        registration: Registration,
        password: NewPassword,
        call: Call,
    ) -> Result<(Account, Option<IssuedToken>), AuthError> {
        self.require_open_registration(&call)?;
        self.require_right_clock()?;
        let signed_in = matches!(registration, Registration::Username(_));
        // The password is hashed before the name is looked up, so that a taken name costs as much as a free one. Once
        // the hash has begun, the registration counts against the rate limit, even if the caller disconnects.
        let charge = charge(&self.budgets.registrations, &call).inspect_err(self.audit_too_many(
            Action::Register,
            None,
            &call,
        ))?;
        let turn = turn(&call);
        // Before the file of breached passwords is read: a flood of registrations must not become a flood of disk
        // reads.
        let place = self.hasher.reserve(&turn)?;
        self.rules.passwords.require_unbreached("password", &password).await?;
        // The password takes the place at once.
        drop(place);
        let begins = move || charge.spend();
        let password_hash = Some(self.hasher.hash_with(password.as_password(), turn, begins).await?);
        let (identity, created_at) = (registration.identity(&*self.clock), to_the_second(self.clock.now()));
        let new = NewAccount { id: new_id(&*self.clock), identity, joins: false, password_hash, created_at };
        let account = Account {
            id: new.id,
            identity: new.identity.clone(),
            status: AccountStatus::Active,
            epoch: 0,
            created_at: new.created_at,
            platform_admin: false,
        };
        let session = signed_in.then(|| self.new_session(&account, call.client.clone()));
        let mail = match &new.identity {
            Identity::Email { email, .. } => {
                let id = new_id(&*self.clock);
                Some(NewMail::to_address(id, MailKind::VerifyEmail, email.clone(), self.clock.now()))
            }
            Identity::Username(_) => None,
        };
        let (this, opening) = (self.clone(), session.clone());
        run_to_end(async move {
            let stored = this.store.insert_account(&new, opening.as_ref(), mail.as_ref()).await;
            match &stored {
                Ok(()) => this.audit(Action::Register, &call, None, new.id, "ok"),
                Err(StoreError::HandleTaken) => this.audit(Action::Register, &call, None, None, "taken"),
                // Logged with its cause where it becomes a status.
                Err(_) => {}
            }
            Ok(stored?)
        })
        .await?;
        let token = session.map(|session| self.first_token(&session, &account)).transpose()?;
        Ok((account, token))
    }
}
