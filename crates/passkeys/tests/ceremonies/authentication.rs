//! Sign-ins: the options, the answers that are taken, and each answer that is not.

use crate::support::{
    AT, Answer, BE, BS, Device, ED, Key, Site, TIMEOUT, UP, UV, decode, encode, handle, verify_sign_in,
};
use countersign_passkeys::{
    Account, Authentication, AuthenticationResponse, Backup, Counter, Credential, Identified, Part, PublicKey, Reason,
    Refusal, UserHandle, UserVerification,
};
use serde_json::{Value, json};

/// The outcome that a caller stores: counter, flags, and whether the user was verified.
type Outcome = Result<(u32, Backup, bool), Reason>;

/// Signs in with a registered device, whose answer is bent.
fn sign_in(bend: impl FnOnce(&mut Answer)) -> Outcome {
    sign_in_after(|_| {}, bend)
}

/// Signs in with a credential that is stored otherwise than it was registered.
fn sign_in_after(store: impl FnOnce(&mut Credential), bend: impl FnOnce(&mut Answer)) -> Outcome {
    let (site, device) = (Site::new(), Device::new(Key::es256()));
    let mut credentials = [site.registered(&device)];
    store(&mut credentials[0]);
    let response = device.sign_in(&site.authentication_options(), bend);
    judge(&site.authentication(), &response, &site.account(&credentials))
}

/// Signs in with a registered device, whose answer is changed on its way.
fn change(change: impl FnOnce(&mut Value)) -> Outcome {
    let (site, device) = (Site::new(), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let mut response = device.sign_in(&site.authentication_options(), |_| {});
    change(&mut response);
    judge(&site.authentication(), &response, &site.account(&credentials))
}

fn judge(ceremony: &Authentication<'_>, response: &Value, account: &Account<'_>) -> Outcome {
    let signed_in = verify_sign_in(ceremony, response, account)?;
    Ok((signed_in.counter.get(), signed_in.backup, signed_in.user_verified))
}

#[test]
fn the_options_are_those_of_webauthn() {
    let site = Site::new();
    let credential = site.registered(&Device::new(Key::es256()));
    let expected = |allowed: Value| {
        json!({
            "challenge": encode(site.challenge.as_bytes()),
            "timeout": 300_000,
            "rpId": "example.org",
            "allowCredentials": allowed,
            "userVerification": "required",
        })
    };
    assert_eq!(site.authentication_options(), expected(json!([])));
    let id = encode(credential.descriptor.id.as_bytes());
    let allowed = json!([{ "type": "public-key", "id": id, "transports": ["internal", "hybrid"] }]);
    assert_eq!(site.authentication().options([&credential.descriptor], TIMEOUT), expected(allowed));
}

#[test]
fn each_algorithm_signs_in_from_the_store() {
    for key in [Key::es256(), Key::ed_dsa(), Key::rs256()] {
        let (site, device) = (Site::new(), Device::new(key));
        let mut credentials = [site.registered(&device)];
        credentials[0].public_key = PublicKey::parse(credentials[0].public_key.as_cose()).unwrap();
        let response = device.sign_in(&site.authentication_options(), |answer| answer.counter = 1);
        let outcome = judge(&site.authentication(), &response, &site.account(&credentials));
        assert_eq!(outcome, Ok((1, Backup::BackedUp, true)));
    }
}

#[test]
fn client_data_of_another_page_or_time_are_refused() {
    let old = encode(&[7; 32]);
    for (member, value, reason) in [
        ("type", json!("webauthn.create"), Reason::OtherCeremony),
        ("challenge", json!(old), Reason::OtherChallenge),
        ("origin", json!("https://example.com"), Reason::OtherOrigin),
        ("crossOrigin", json!(true), Reason::Framed),
        ("topOrigin", json!("https://example.org"), Reason::Framed),
    ] {
        assert_eq!(sign_in(|answer| answer.client[member] = value), Err(reason), "{member}");
    }
}

#[test]
fn authenticator_data_of_another_service_or_without_a_user_are_refused() {
    assert_eq!(sign_in(|answer| answer.rp_id = "example.com"), Err(Reason::OtherRelyingParty));
    assert_eq!(sign_in(|answer| answer.flags = UV | BE | BS), Err(Reason::UserAbsent));
    assert_eq!(sign_in(|answer| answer.flags = UP | BE | BS), Err(Reason::UserUnverified));
    assert_eq!(sign_in(|answer| answer.flags = UP | UV | BS), Err(Reason::BackedUpButIneligible));
    assert_eq!(sign_in(|answer| answer.flags |= AT), Err(Reason::MisplacedCredential));
    let malformed = Err(Reason::Malformed(Part::AuthenticatorData));
    assert_eq!(sign_in(|answer| answer.flags |= ED), malformed);
    assert_eq!(sign_in(|answer| answer.extensions = vec![0]), malformed);
    let extended = sign_in(|answer| (answer.flags, answer.extensions) = (answer.flags | ED, vec![0xa0]));
    assert!(extended.is_ok());
}

#[test]
fn user_verification_is_a_policy() {
    let (site, device) = (Site::new(), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let preferred = Authentication { user_verification: UserVerification::Preferred, ..site.authentication() };
    let options = preferred.options([], TIMEOUT);
    assert_eq!(options["userVerification"], "preferred");
    let response = device.sign_in(&options, |answer| answer.flags = UP | BE);
    assert_eq!(judge(&preferred, &response, &site.account(&credentials)), Ok((0, Backup::Eligible, false)));
}

#[test]
fn whether_a_credential_can_be_backed_up_never_changes() {
    assert_eq!(sign_in(|answer| answer.flags = UP | UV), Err(Reason::BackupEligibilityChanged));
    let bound = |credential: &mut Credential| credential.backup = Backup::DeviceBound;
    assert_eq!(sign_in_after(bound, |_| {}), Err(Reason::BackupEligibilityChanged));
    assert_eq!(sign_in(|answer| answer.flags = UP | UV | BE), Ok((0, Backup::Eligible, true)));
}

#[test]
fn a_counter_grows_or_was_always_zero() {
    let counted = |stored, presented| {
        sign_in_after(|credential| credential.counter = Counter::new(stored), |answer| answer.counter = presented)
            .map(|(counter, ..)| counter)
    };
    for (stored, presented) in [(0, 0), (0, 1), (1, 2), (1, u32::MAX)] {
        assert_eq!(counted(stored, presented), Ok(presented));
    }
    for (stored, presented) in [(1, 0), (1, 1), (2, 1), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
        let (stored_counter, presented_counter) = (Counter::new(stored), Counter::new(presented));
        let reason = Reason::CounterRegressed { stored: stored_counter, presented: presented_counter };
        assert_eq!(counted(stored, presented), Err(reason));
    }
}

#[test]
fn a_discoverable_credential_says_whose_it_is() {
    assert_eq!(sign_in(|answer| answer.user_handle = None), Err(Reason::NoUserHandle));
    assert_eq!(sign_in(|answer| answer.user_handle = Some(vec![])), Err(Reason::NoUserHandle));
    assert_eq!(sign_in(|answer| answer.user_handle = Some(b"another".to_vec())), Err(Reason::OtherUser));
    let long = sign_in(|answer| answer.user_handle = Some(vec![1; 65]));
    assert_eq!(long, Err(Reason::Malformed(Part::Response)));
}

#[test]
fn a_second_factor_needs_no_user_handle_and_refuses_another() {
    let (site, device) = (Site::new(), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let second = Authentication { identified: Identified::Before, ..site.authentication() };
    let with = |user_handle: Option<&[u8]>| {
        let options = second.options([&credentials[0].descriptor], TIMEOUT);
        let response = device.sign_in(&options, |answer| answer.user_handle = user_handle.map(<[u8]>::to_vec));
        judge(&second, &response, &site.account(&credentials)).map(|_| ())
    };
    assert_eq!(with(None), Ok(()));
    assert_eq!(with(Some(handle().as_bytes())), Ok(()));
    assert_eq!(with(Some(b"another")), Err(Reason::OtherUser));
}

#[test]
fn the_credential_of_another_account_is_refused() {
    let (site, device, other) = (Site::new(), Device::new(Key::es256()), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let account = site.account(&credentials);
    let options = site.authentication_options();
    let foreign = other.sign_in(&options, |_| {});
    assert_eq!(judge(&site.authentication(), &foreign, &account), Err(Reason::UnknownCredential));
    // The other key signs, under the id of the account's credential.
    let mut disguised = foreign.clone();
    (disguised["id"], disguised["rawId"]) =
        (json!(encode(&device.credential_id)), json!(encode(&device.credential_id)));
    assert_eq!(judge(&site.authentication(), &disguised, &account), Err(Reason::WrongSignature));
    // The answer is right for its own account, and not for this one.
    let elsewhere = UserHandle::parse(b"another").unwrap();
    let account = Account { handle: &elsewhere, credentials: &credentials };
    let own = device.sign_in(&options, |_| {});
    assert_eq!(judge(&site.authentication(), &own, &account), Err(Reason::OtherUser));
    assert_eq!(judge(&site.authentication(), &own, &site.account(&[])), Err(Reason::UnknownCredential));
}

#[test]
fn an_answer_is_good_for_its_challenge_only() {
    let (mut site, device) = (Site::new(), Device::new(Key::es256()));
    let credentials = [site.registered(&device)];
    let response = device.sign_in(&site.authentication_options(), |_| {});
    assert!(judge(&site.authentication(), &response, &site.account(&credentials)).is_ok());
    site.challenge = countersign_passkeys::Challenge::generate().unwrap();
    let replayed = judge(&site.authentication(), &response, &site.account(&credentials));
    assert_eq!(replayed, Err(Reason::OtherChallenge));
}

#[test]
fn every_signed_byte_counts() {
    let flip = |member: &'static str, at: fn(usize) -> usize| {
        change(|response| {
            let text = &mut response["response"][member];
            let mut bytes = decode(text.as_str().unwrap());
            let at = at(bytes.len());
            bytes[at] ^= 1;
            *text = json!(encode(&bytes));
        })
    };
    // A bit of the counter, of a reserved flag and of the space in a signature's number.
    assert_eq!(flip("authenticatorData", |length| length - 1), Err(Reason::WrongSignature));
    assert_eq!(flip("signature", |length| length - 1), Err(Reason::WrongSignature));
    let spaced = change(|response| {
        let text = &mut response["response"]["clientDataJSON"];
        let json = [&decode(text.as_str().unwrap())[..], b" "].concat();
        *text = json!(encode(&json));
    });
    assert_eq!(spaced, Err(Reason::WrongSignature));
}

#[test]
fn an_answer_of_another_form_is_refused() {
    let malformed = Err(Reason::Malformed(Part::Response));
    assert_eq!(change(|response| response["type"] = json!("Public-Key")), Err(Reason::OtherCredentialType));
    assert_eq!(change(|response| response["id"] = json!(encode(&[1; 32]))), Err(Reason::TwoCredentials));
    assert_eq!(change(|response| response["response"]["signature"] = Value::Null), malformed);
    assert_eq!(change(|response| response["response"]["signature"] = json!(7)), malformed);
    assert_eq!(change(|response| response["response"]["signature"] = json!("")), Err(Reason::WrongSignature));
    let empty = change(|response| response["response"]["authenticatorData"] = json!(""));
    assert_eq!(empty, Err(Reason::Malformed(Part::AuthenticatorData)));
}

#[test]
fn a_client_learns_nothing_of_the_reason() {
    let refused = |reason: Reason| Refusal::from(reason).to_string();
    assert_eq!(refused(Reason::WrongSignature), "the passkey was not accepted");
    assert_eq!(refused(Reason::UnknownCredential), refused(Reason::WrongSignature));
    let parsed = AuthenticationResponse::parse("{}").unwrap_err();
    assert_eq!(parsed.to_string(), "the passkey was not accepted");
    assert_eq!(parsed.reason().to_string(), "the answer is malformed");
}
