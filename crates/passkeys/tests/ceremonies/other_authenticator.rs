//! The `passkey` crate as browser and authenticator: an implementation by others, which reads our options and whose
//! answers we judge, with no help of ours in between.

use countersign_passkeys::{Algorithm, Counter, Reason, RelyingParty};
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use serde_json::{Value, json};
use url::Url;

use crate::support::{ORIGIN, Site, verify_registration, verify_sign_in};

/// A user who is always there, and has a PIN.
struct Present;

#[async_trait::async_trait]
impl UserValidationMethod for Present {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        _presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification })
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }
}

/// What the browser answers at one page: to a registration, and to two sign-ins.
async fn answers(site: &Site, page: &str, counts: bool) -> (Value, [Value; 2]) {
    let page = Url::parse(page).unwrap();
    let mut authenticator = Authenticator::new(Aaguid::new_empty(), None, Present, RustCryptoBackend);
    authenticator.set_make_credentials_with_signature_counter(counts);
    let mut client = Client::new(authenticator).allows_insecure_localhost(true);
    let options = serde_json::from_value(json!({ "publicKey": site.registration_options() })).unwrap();
    let registered = client.register(&page, options, DefaultClientData).await.unwrap();
    let mut signed_in = Vec::new();
    for _ in 0..2 {
        let options = serde_json::from_value(json!({ "publicKey": site.authentication_options() })).unwrap();
        let answer = client.authenticate(&page, options, DefaultClientData).await.unwrap();
        signed_in.push(serde_json::to_value(answer).unwrap());
    }
    (serde_json::to_value(registered).unwrap(), signed_in.try_into().unwrap())
}

#[tokio::test]
async fn its_passkey_registers_and_signs_in() {
    let site = Site::new();
    let (registered, signed_in) = answers(&site, ORIGIN, false).await;
    let registered = verify_registration(&site.registration(), &registered).unwrap();
    assert_eq!(registered.credential.public_key.algorithm(), Algorithm::Es256);
    assert_eq!((registered.user_verified, registered.discoverable), (true, Some(true)));
    let credentials = [registered.credential];
    for answer in signed_in {
        let signed_in = verify_sign_in(&site.authentication(), &answer, &site.account(&credentials)).unwrap();
        assert_eq!((signed_in.counter, signed_in.backup), (Counter::new(0), credentials[0].backup));
    }
}

#[tokio::test]
async fn its_counter_grows_and_a_replay_does_not_pass() {
    let site = Site::new();
    let (registered, [first, second]) = answers(&site, ORIGIN, true).await;
    let mut credentials = [verify_registration(&site.registration(), &registered).unwrap().credential];
    for answer in [&first, &second] {
        let counter = verify_sign_in(&site.authentication(), answer, &site.account(&credentials)).unwrap().counter;
        assert!(counter.get() > credentials[0].counter.get());
        credentials[0].counter = counter;
    }
    let replayed = verify_sign_in(&site.authentication(), &first, &site.account(&credentials));
    assert!(matches!(replayed, Err(Reason::CounterRegressed { .. })), "{replayed:?}");
}

#[tokio::test]
async fn its_passkey_works_on_localhost() {
    let mut site = Site::new();
    site.relying_party = RelyingParty::parse("localhost", []).unwrap();
    let (registered, [signed_in, _]) = answers(&site, "http://localhost:3008", false).await;
    let credentials = [verify_registration(&site.registration(), &registered).unwrap().credential];
    assert!(verify_sign_in(&site.authentication(), &signed_in, &site.account(&credentials)).is_ok());
}
