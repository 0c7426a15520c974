//! The `Debug` output of messages with secrets. The messages are found by the option `debug_redact` in the schema.

use countersign::pb;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

const SECRET: &str = "canary-of-a-secret";

/// Formats the bytes of a message by its generated type. A message with a secret that is not listed fails the test.
macro_rules! debug {
    ($name:expr, $bytes:expr, $($message:ident),+ $(,)?) => {
        match $name {
            $(stringify!($message) => format!("{:?}", pb::$message::decode($bytes).unwrap()),)+
            other => panic!("{other} holds a secret: list it in this test"),
        }
    };
}

#[test]
fn a_message_with_a_secret_shows_its_other_fields_and_not_the_secret() {
    let secretive: Vec<_> = messages().into_iter().filter(holds_secret).collect();
    assert!(secretive.len() >= 16);
    for message in secretive {
        let bytes = filled(&message).encode_to_vec();
        let shown = debug!(
            message.name(),
            bytes.as_slice(),
            AcceptInvitationRequest,
            BeginTotpRequest,
            BeginTotpResponse,
            ChangeEmailRequest,
            ChangePasswordRequest,
            CompleteLoginRequest,
            CompleteLoginResponse,
            ConfirmTotpRequest,
            ConfirmTotpResponse,
            CreateAccountRequest,
            DeleteTotpRequest,
            ExportAccountsResponse,
            ImportAccountsRequest,
            IntrospectTokenRequest,
            LoginRequest,
            LoginResponse,
            MakeRecoveryCodesRequest,
            MakeRecoveryCodesResponse,
            PortableAccount,
            RegisterRequest,
            RegisterResponse,
            ResetPasswordRequest,
            RevokeTokenRequest,
            SecondFactor,
            SetPasswordRequest,
            VerifyEmailRequest,
        );
        assert!(shown.contains("[redacted]") && !shown.contains(SECRET), "{shown}");
        for field in message.fields().filter(|field| field.kind() == Kind::String && !is_secret(field)) {
            let is_set = filled(&message).has_field(&field);
            assert_eq!(shown.contains(&plain(&field)), is_set, "{}: {shown}", field.full_name());
        }
    }
}

#[test]
fn a_message_without_a_secret_shows_everything() {
    let message = pb::GetAccountRequest { account_id: "an id".to_owned() };
    assert_eq!(format!("{message:?}"), "GetAccountRequest { account_id: \"an id\" }");
}

#[test]
fn every_field_with_the_name_of_a_secret_is_marked_as_one() {
    for field in messages().iter().flat_map(|message| message.fields().collect::<Vec<_>>()) {
        let name = field.name();
        let words = ["password", "token", "device", "hash", "secret", "ticket", "code", "otpauth", "qr_svg"];
        let sounds_secret = words.iter().any(|word| name.contains(word));
        let sounds_secret = sounds_secret && field.kind() == Kind::String && !name.ends_with("page_token");
        assert_eq!(is_secret(&field), sounds_secret, "{}", field.full_name());
    }
}

fn messages() -> Vec<MessageDescriptor> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    pool.all_messages().filter(|message| message.package_name() == "countersign.v1").collect()
}

fn is_secret(field: &FieldDescriptor) -> bool {
    field.options().get_field_by_name("debug_redact").unwrap().as_bool().unwrap()
}

/// Whether a field of the message is a secret, directly or in a message within it.
fn holds_secret(message: &MessageDescriptor) -> bool {
    message.fields().any(|field| match field.kind() {
        Kind::Message(inner) => holds_secret(&inner),
        _ => is_secret(&field),
    })
}

/// A message with text in every text field, and with the last field of each oneof.
fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled_message = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let value = match field.kind() {
            Kind::String if is_secret(&field) => Value::String(SECRET.to_owned()),
            Kind::String => Value::String(plain(&field)),
            Kind::Message(inner) if holds_secret(&inner) => Value::Message(filled(&inner)),
            _ => continue,
        };
        filled_message.set_field(&field, if field.is_list() { Value::List(vec![value]) } else { value });
    }
    filled_message
}

fn plain(field: &FieldDescriptor) -> String {
    format!("text of {}", field.name())
}
