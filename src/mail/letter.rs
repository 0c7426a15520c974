//! A mail as it is sent: headers, a text, and the same as an HTML document. Separate from its words (`templates`) and
//! from its delivery (`transport`).

use lettre::address::AddressError;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use time::OffsetDateTime;
use uuid::Uuid;

use super::templates::FilledTemplate;
use crate::domain::Email;

/// The most bytes of a line that is sent without an encoding (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

/// The sender of mail (`MAIL_FROM`): an address, or a name and an address.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// Parses `name@example.com` or `A Name <name@example.com>`. The error says what to change.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an address, as in no-reply@example.com or Example <no-reply@example.com>";
        if text.chars().any(char::is_control) {
            return Err(FORM);
        }
        text.parse().map(Self).map_err(|_: AddressError| FORM)
    }

    /// The sender of mail that is written to a folder or to the log.
    pub(super) fn of_this_machine() -> Self {
        Self(Mailbox::new(None, Address::new_dangerous("no-reply", "localhost")))
    }

    /// The domain of the address, with which this process also introduces itself to a mail server.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// Assembles a mail. `id` becomes its Message-ID, so that a mail that is sent twice, because an answer was lost, can be
/// recognised as one. Returns `None` if mail cannot be sent to the address.
pub(super) fn letter(
    sender: &Sender,
    recipient: &Email,
    content: FilledTemplate,
    id: Uuid,
    now: OffsetDateTime,
) -> Option<Message> {
    let recipient: Address = recipient.as_str().parse().ok()?;
    Message::builder()
        .from(sender.0.clone())
        .to(Mailbox::new(None, recipient))
        .subject(content.subject)
        .date(now.into())
        .message_id(Some(format!("<{id}@{}>", sender.domain())))
        // Prevents automatic answers and entries in lists of contacts (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, content.text))
                .singlepart(part(ContentType::TEXT_HTML, content.html)),
        )
        .ok()
}

/// One part of a mail. ASCII is sent as it is: lettre would encode every text with a line of more than 76 bytes, which
/// breaks links into pieces for whoever reads the source of the mail.
fn part(kind: ContentType, text: String) -> SinglePart {
    let lines: Vec<&str> = text.lines().collect();
    let can_be_sent =
        |line: &&str| line.len() <= MAX_LINE && line.bytes().all(|b| b.is_ascii() && b != 0 && b != b'\r');
    let body = if lines.iter().all(can_be_sent) {
        Body::dangerous_pre_encoded((lines.join("\r\n") + "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        // Not lettre's choice, which sends a control character as it is.
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).unwrap_or_else(Body::new)
    };
    SinglePart::builder().header(kind).body(body)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{Email, FilledTemplate, Sender, letter};

    #[test]
    fn a_letter_has_its_headers_and_no_others() {
        let sender = Sender::parse("Example <no-reply@example.com>").unwrap();
        let subject =
            "Grüße\r\nBcc: all@example.com, and a subject that goes on for more than one line of a header has";
        let content =
            FilledTemplate { subject: subject.to_owned(), text: "Hä\n.\n".to_owned(), html: "<p>Hä".to_owned() };
        let ada = Email::parse("ada@example.org").unwrap();
        let letter = letter(&sender, &ada, content, Uuid::from_u128(7), OffsetDateTime::UNIX_EPOCH).unwrap();
        assert_eq!(letter.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["ada@example.org"]);
        let bytes = String::from_utf8(letter.formatted()).unwrap();
        let head = bytes.split_once("\r\n\r\n").unwrap().0.replace("\r\n ", " ");
        let names: Vec<_> = head.split("\r\n").map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
        );
        assert!(head.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.com>"), "{head}");
        assert!(head.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000"), "{head}");
        assert!(head.contains("From: Example <no-reply@example.com>") && head.is_ascii(), "{head}");
    }

    #[test]
    fn a_link_in_ascii_is_not_wrapped_and_every_other_text_is_encoded() {
        let sender = Sender::parse("no-reply@example.com").unwrap();
        let ada = Email::parse("ada@example.org").unwrap();
        let sent = |text: &str| {
            let content = FilledTemplate { subject: "Hi".to_owned(), text: text.to_owned(), html: text.to_owned() };
            let letter = letter(&sender, &ada, content, Uuid::from_u128(7), OffsetDateTime::UNIX_EPOCH).unwrap();
            String::from_utf8(letter.formatted()).unwrap()
        };
        let link = format!("https://auth.example.com/auth/verify#token={}", "t".repeat(900));
        let mail = sent(&format!("Go on:\r\n{link}\nBye"));
        assert_eq!(mail.matches("Content-Transfer-Encoding: 7bit").count(), 2, "{mail}");
        assert_eq!(mail.matches(&format!("\r\nGo on:\r\n{link}\r\nBye\r\n")).count(), 2, "{mail}");
        for other in ["Grüße", "a\rb", "a\0b", &*"a".repeat(999)] {
            let mail = sent(other);
            assert!(!mail.contains("7bit") && mail.is_ascii(), "{mail}");
            assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\0'])), "{mail}");
        }
    }

    #[test]
    fn the_sender_of_mail_is_one_address() {
        for good in ["a@example.com", "A B <a@example.com>", "\"B, A\" <a@example.com>", "a@localhost"] {
            assert!(Sender::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "example.com", "a@", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "A\n <a@b.c>"] {
            assert!(Sender::parse(bad).is_err(), "{bad}");
        }
    }
}
