//! Sealed texts: a client keeps one, such as a page token or a cursor, and gives it back unchanged. They are signed
//! with the secrets of the keyring, so every replica accepts the texts of another one, and they survive a change of the
//! secret. They are not encrypted. Separate because a sealed text is not a token and can never be taken for one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mac::Mac;
use super::service::Tokens;

/// More than the length of any sealed text. A longer text is refused before its signature is computed.
const MAX_SEALED_BYTES: usize = 1_024;

impl Tokens {
    /// Signs `payload` and returns it with its signature, in base64url. [`Self::unseal`] accepts it for the same
    /// `purpose` only.
    pub fn seal(&self, purpose: &str, payload: &[u8]) -> String {
        let prefix = prefix(purpose);
        let mut message = prefix.clone();
        URL_SAFE_NO_PAD.encode_string(payload, &mut message);
        self.keyring().seal(&mut message);
        message.split_off(prefix.len())
    }

    /// Returns the payload of a sealed text. Returns `None` if another key signed it, if it was sealed for another
    /// purpose, or if it was changed.
    pub fn unseal(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let (payload, signature) = sealed.split_once('.')?;
        let accepted = self.keyring().sealed(&(prefix(purpose) + payload), Mac::decode(signature)?);
        accepted.then(|| URL_SAFE_NO_PAD.decode(payload).ok())?
    }
}

/// The signed text before the payload. A JWS signs only base64url characters and a dot, so the `:` ensures that no
/// sealed text is a token and no token is a sealed text. The line break ensures that two different pairs of purpose and
/// payload never make the same signed text: it does not occur in base64url.
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
