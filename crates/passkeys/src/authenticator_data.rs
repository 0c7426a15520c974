//! Authenticator data (WebAuthn Level 3 section 6.1): what an authenticator signs about itself. Separate because both
//! ceremonies read and judge them.

use crate::cbor::{self, Value};
use crate::public_key::PublicKey;
use crate::refusal::{Part, Reason};
use crate::relying_party::RelyingParty;
use crate::values::{Backup, Counter, CredentialId, UserVerification};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// Authenticator data, taken apart. Extension outputs are read only so far as to find their end.
#[derive(Debug)]
pub(crate) struct AuthenticatorData {
    rp_id_hash: [u8; 32],
    user_present: bool,
    pub(crate) user_verified: bool,
    pub(crate) backup: Backup,
    pub(crate) counter: Counter,
    pub(crate) attested: Option<Attested>,
}

/// A new credential (WebAuthn Level 3 section 6.5.1).
#[derive(Debug)]
pub(crate) struct Attested {
    pub(crate) aaguid: [u8; 16],
    pub(crate) id: CredentialId,
    pub(crate) public_key: PublicKey,
}

/// Whether the answer must come from a user who touched the authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

impl AuthenticatorData {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let malformed = Reason::Malformed(Part::AuthenticatorData);
        let (rp_id_hash, rest) = bytes.split_first_chunk().ok_or(malformed)?;
        let (&[flags], rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (counter, mut rest) = rest.split_first_chunk().ok_or(malformed)?;
        let is_set = |flag| flags & flag != 0;
        let backup = Backup::parse(is_set(BACKUP_ELIGIBLE), is_set(BACKED_UP)).ok_or(Reason::BackedUpButIneligible)?;
        let mut attested = None;
        if is_set(ATTESTED) {
            let (credential, after) = Attested::first(rest)?;
            (attested, rest) = (Some(credential), after);
        }
        if is_set(EXTENSIONS) {
            let (Value::Map(_), after) = cbor::first(rest).ok_or(malformed)? else { return Err(malformed) };
            rest = after;
        }
        if !rest.is_empty() {
            return Err(malformed);
        }
        Ok(Self {
            rp_id_hash: *rp_id_hash,
            user_present: is_set(USER_PRESENT),
            user_verified: is_set(USER_VERIFIED),
            backup,
            counter: Counter::new(u32::from_be_bytes(*counter)),
            attested,
        })
    }

    /// The steps that registration and authentication share, from `rpIdHash` to the flag UV.
    pub(crate) fn check(
        &self,
        relying_party: &RelyingParty,
        presence: Presence,
        verification: UserVerification,
    ) -> Result<(), Reason> {
        match () {
            () if self.rp_id_hash != *relying_party.id_hash() => Err(Reason::OtherRelyingParty),
            () if presence == Presence::Required && !self.user_present => Err(Reason::UserAbsent),
            () if verification == UserVerification::Required && !self.user_verified => Err(Reason::UserUnverified),
            () => Ok(()),
        }
    }
}

impl Attested {
    /// Reads a credential, and returns it with the bytes that follow it.
    fn first(bytes: &[u8]) -> Result<(Self, &[u8]), Reason> {
        let malformed = Reason::Malformed(Part::AuthenticatorData);
        let (aaguid, rest) = bytes.split_first_chunk().ok_or(malformed)?;
        let (length, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(malformed)?;
        let id = CredentialId::parse(id).ok_or(malformed)?;
        let (Value::Map(map), after) = cbor::first(rest).ok_or(Reason::Malformed(Part::PublicKey))? else {
            return Err(Reason::Malformed(Part::PublicKey));
        };
        let cose = rest.strip_suffix(after).unwrap_or(rest);
        Ok((Self { aaguid: *aaguid, id, public_key: PublicKey::read(&map, cose)? }, after))
    }
}
