//! The credentials of services that ask about tokens. Separate from `watch` because these credentials may also come in
//! the form that OAuth clients use, `authorization: Basic`, and wrong ones have a budget.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_guard::layer::{Credential, read_credential};
use countersign_guard::token::Secret;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use tonic::{Request, Status};

use super::call_context::call;
use super::failures::CredentialError;
use super::status::ToStatus;
use crate::accounts::Accounts;

/// The services that may ask about tokens, each by a secret of its own. Without a secret, none may.
pub(super) struct Introspectors {
    credentials: Vec<Secret>,
}

impl Introspectors {
    pub(super) fn new(credentials: Vec<Secret>) -> Self {
        Self { credentials }
    }

    /// Checks the service credential. The layer lets these calls pass, because a service has no account and no session.
    pub(super) fn authorise<T>(&self, accounts: &Accounts, request: &Request<T>) -> Result<(), Status> {
        let texts = presented(request.metadata().as_ref()).ok_or(ToStatus(CredentialError::Missing))?;
        let call = call(request);
        accounts.require_credential_guess(&call).map_err(ToStatus)?;
        if texts.iter().any(|text| self.credentials.iter().any(|secret| secret.is(text))) {
            return Ok(());
        }
        accounts.count_wrong_credential(&call);
        Err(ToStatus(CredentialError::Invalid { setting: "INTROSPECTION_CREDENTIALS" }).into())
    }
}

/// The texts that the credential of a request may mean: none if it is malformed. Returns `None` if the request has no
/// credential.
fn presented(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut passwords = headers.get_all(AUTHORIZATION).iter().filter_map(basic);
    match (read_credential(headers), passwords.next(), passwords.next()) {
        (Credential::NotPresented, None, _) => None,
        (Credential::NotPresented, Some(texts), None) => Some(texts),
        (Credential::Presented(text), None, _) => Some(vec![text.to_owned()]),
        _ => Some(Vec::new()),
    }
}

/// Reads the password of `Basic <base64 of name:password>` (RFC 7617); `None` if the scheme is another. A credential
/// has no name, so any name is good. RFC 6749 section 2.3.1 wants both parts percent-encoded as in a form. Not all
/// clients do so, and a credential may have a `+` or a `%`, so the password may be meant either way.
fn basic(value: &HeaderValue) -> Option<Vec<String>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(password) = decoded.as_deref().and_then(|pair| Some(pair.split_once(':')?.1)) else {
        return Some(Vec::new());
    };
    let form = password.replace('+', " ");
    let form = percent_decode_str(&form).decode_utf8().ok().map(|text| text.into_owned());
    Some(form.into_iter().chain([password.to_owned()]).collect())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

    use super::presented;

    #[test]
    fn a_credential_is_read_from_one_header_in_one_of_two_schemes() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (name, values, expected) in [
            ("none", vec![], None),
            ("another scheme", vec!["Digest x".to_owned()], None),
            ("bearer", vec!["Bearer a+b".to_owned()], Some(vec!["a+b"])),
            ("basic", vec![basic("app:secret")], Some(vec!["secret", "secret"])),
            ("basic in any case", vec![basic("app:secret").replace("Basic", "bASIC ")], Some(vec!["secret", "secret"])),
            ("no name", vec![basic(":secret")], Some(vec!["secret", "secret"])),
            ("a colon", vec![basic("app:a:b")], Some(vec!["a:b", "a:b"])),
            ("as in a form", vec![basic("app:a%2Bb%3D+c")], Some(vec!["a+b= c", "a%2Bb%3D+c"])),
            ("as it is", vec![basic("app:a+b=%")], Some(vec!["a b=%", "a+b=%"])),
            ("not base64", vec!["Basic !".to_owned()], Some(vec![])),
            ("not UTF-8", vec![format!("Basic {}", STANDARD.encode(b"a:\xff"))], Some(vec![])),
            ("no colon", vec![basic("secret")], Some(vec![])),
            ("both schemes", vec![basic("app:a"), "Bearer a".to_owned()], Some(vec![])),
            ("basic twice", vec![basic("app:a"), basic("app:a")], Some(vec![])),
            ("bearer twice", vec!["Bearer a".to_owned(), "Bearer a".to_owned()], Some(vec![])),
            ("an empty bearer", vec!["Bearer ".to_owned()], Some(vec![])),
        ] {
            let headers = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
            let headers: HeaderMap = headers.fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append::<HeaderName>(name, value);
                map
            });
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(presented(&headers), expected, "{name}");
        }
    }
}
