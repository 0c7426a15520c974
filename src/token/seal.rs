//! Texts that a client holds for us and gives back unchanged, such as a page token: signed with the same keys as tokens,
//! so that every replica accepts what another one gave out, and a change of the secret does not break them either. Not
//! encrypted: what they hold is no secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keyring::Signature;
use super::service::Tokens;

/// Longer than anything that is ever sealed; longer is refused before anything is computed.
const MAX_BYTES: usize = 1_024;

impl Tokens {
    /// Seals `payload` for one purpose: it opens for the same `purpose` only.
    pub fn seal(&self, purpose: &str, payload: &[u8]) -> String {
        let prefix = prefix(purpose);
        let mut message = prefix.clone();
        URL_SAFE_NO_PAD.encode_string(payload, &mut message);
        self.keyring().sign(&mut message);
        message.split_off(prefix.len())
    }

    /// What was sealed; `None` if that was not done here, not for this purpose, or a single character differs.
    pub fn unseal(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > MAX_BYTES {
            return None;
        }
        let (payload, signature) = sealed.split_once('.')?;
        let signature = Signature::decode(signature)?;
        let accepted = self.keyring().accepts(&(prefix(purpose) + payload), &signature);
        accepted.then(|| URL_SAFE_NO_PAD.decode(payload).ok())?
    }
}

/// What stands before the payload when it is signed. The `:` keeps it apart from the message of a JWS, which has base64url and one dot only: no seal is ever a token, and
/// no token a seal. The line break cannot stand in base64url, so that no two pairs make the same message.
fn prefix(purpose: &str) -> String {
    format!("countersign:{purpose}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::clock::ManualClock;
    use crate::token::{Keyring, Secret, Tokens};

    fn tokens(current: &str, previous: Option<&str>) -> Tokens {
        let secret = |text: &str| Secret::parse(format!("a secret of thirty-two bytes: {text}")).unwrap();
        let keyring = Keyring::new(&secret(current), previous.map(secret).as_ref());
        Tokens::new(keyring, Arc::new(ManualClock::at(0)), Duration::from_secs(60))
    }

    #[test]
    fn a_seal_opens_for_its_purpose_with_an_accepted_key_and_whole() {
        let (old, new) = (tokens("old", None), tokens("new", Some("old")));
        let sealed = old.seal("page", b"payload");
        for ours in [&old, &new] {
            assert_eq!(ours.unseal("page", &sealed).as_deref(), Some(&b"payload"[..]));
        }
        assert_eq!(old.unseal("pages", &sealed), None, "another purpose");
        assert_eq!(tokens("another", None).unseal("page", &sealed), None, "another deployment");
        for at in 0..sealed.len() {
            for other in [b'A', b'B', b'.', b'=', b'~'] {
                let mut bytes = sealed.clone().into_bytes();
                if std::mem::replace(&mut bytes[at], other) != other {
                    assert_eq!(old.unseal("page", std::str::from_utf8(&bytes).unwrap()), None, "{at}");
                }
            }
            assert_eq!(old.unseal("page", &sealed[..at]), None);
        }
        for other in [format!("{sealed}="), format!("{sealed}A"), format!(" {sealed}"), "x".repeat(4_096)] {
            assert_eq!(old.unseal("page", &other), None, "{other}");
        }
    }
}
