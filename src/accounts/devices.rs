//! Recognises the devices that an account has signed in from. Separate from `login` because it is a rule of its own:
//! the failed guesses of a recognised device are counted apart ([`Device::attempts`]), and all others under the name,
//! so that strangers cannot lock the owner out. Invalid evidence is ignored, because it must not keep anybody from
//! signing in.

use std::fmt;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::core::Accounts;
use crate::domain::{AuthError, Device, DeviceNumber, Session, SignInName};
use crate::store::Credentials;
use countersign_guard::token::Tokens;

/// How long a device is recognised after its latest sign-in.
const RECOGNISED_FOR: Duration = Duration::days(180);

/// The purpose that the evidence of a device is sealed for.
const PURPOSE: &str = "device";

/// What a client sends with a sign-in to show that it has signed in before. Not yet verified.
#[derive(Clone, Default)]
pub(crate) struct DeviceEvidence {
    /// The `device` that an earlier [`Accounts::login`] returned; may be empty.
    pub device: String,
    /// A token of an earlier session.
    pub token: Option<String>,
}

impl Accounts {
    /// The device that `evidence` proves, if it belongs to the account `name`.
    pub(super) async fn recognise(
        &self,
        name: &SignInName,
        evidence: &DeviceEvidence,
    ) -> Result<Option<Device>, AuthError> {
        if let Some(device) = self.open_device(&evidence.device) {
            let found = self.find_named(name).await?;
            let is_its = found.is_some_and(|found| {
                (found.account.id, found.password_changes) == (device.account_id, device.password_changes)
            });
            if is_its {
                return Ok(Some(device));
            }
        }
        self.recognise_session(name, evidence).await
    }

    async fn find_named(&self, name: &SignInName) -> Result<Option<Credentials>, AuthError> {
        match (self.store.find_credentials(&name.handle).await?, &name.once_stored) {
            (None, Some(once_stored)) => Ok(self.store.find_credentials(once_stored).await?),
            (found, _) => Ok(found),
        }
    }

    /// Recognises a device by the token of an earlier session: the documented clients send no `device`, but the token
    /// that they have. The session must not have ended, as it does when the password is changed; the token may have
    /// expired.
    async fn recognise_session(
        &self,
        name: &SignInName,
        evidence: &DeviceEvidence,
    ) -> Result<Option<Device>, AuthError> {
        let Some(token) = &evidence.token else { return Ok(None) };
        let Ok(claims) = self.keys.verify(token, Tokens::verify_former).await else { return Ok(None) };
        // Both are looked up in any case, so that the time of the answer does not tell whether the account exists.
        let session = self.store.find_session(claims.sid).await?.map(|stored| stored.session);
        let Some(Credentials { account, password_changes, .. }) = self.find_named(name).await? else {
            return Ok(None);
        };
        let is_its = |session: &Session| {
            claims.sub == account.id && (session.account_id, session.epoch) == (account.id, account.epoch)
        };
        Ok(session.filter(is_its).map(|session| {
            let number = DeviceNumber::of_session(session.id);
            Device { account_id: account.id, number, password_changes }
        }))
    }

    /// The evidence that a device keeps until its next sign-in.
    pub(super) fn seal_device(&self, device: &Device) -> String {
        let until = (self.clock.now() + RECOGNISED_FOR).unix_timestamp();
        let Device { account_id, number, password_changes } = device;
        let payload =
            [account_id.as_bytes(), &[number.get()][..], &password_changes.to_be_bytes(), &until.to_be_bytes()];
        self.tokens.seal(PURPOSE, &payload.concat())
    }

    /// Reads the evidence of [`Self::seal_device`]; `None` if it is invalid or has expired.
    pub(super) fn open_device(&self, sealed: &str) -> Option<Device> {
        let payload = self.tokens.unseal(PURPOSE, sealed)?;
        let (account_id, rest) = payload.split_first_chunk()?;
        let ([number], rest) = rest.split_first_chunk()?;
        let (password_changes, until) = rest.split_first_chunk()?;
        let until = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(until.try_into().ok()?)).ok()?;
        (self.clock.now() < until).then_some(Device {
            account_id: Uuid::from_bytes(*account_id),
            number: DeviceNumber::new(*number)?,
            password_changes: i64::from_be_bytes(*password_changes),
        })
    }
}

impl fmt::Debug for DeviceEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceEvidence").finish_non_exhaustive()
    }
}
