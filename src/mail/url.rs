//! The URL of the mail server (`MAIL_URL`). Separate from `transport` because an invalid one must stop the start, with
//! a message that does not show its password.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

/// The standard port of submission.
const SUBMISSION: u16 = 587;

/// The standard port of submission within TLS (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// The destination of mail.
// Without `Debug`, because it may hold a password.
pub enum MailUrl {
    /// A mail server, which relays mail.
    Smtp(Smtp),
    /// A folder with one file for each mail.
    Folder(PathBuf),
}

/// A mail server and how to connect to it.
pub struct Smtp {
    /// The name or address of the server, which its certificate must have.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// The encryption of the connection.
    pub privacy: Privacy,
    /// The user and the password.
    pub credentials: Option<(String, SecretString)>,
}

/// The encryption of a connection to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// `STARTTLS`, without which nothing is sent (`smtp://`).
    StartTls,
    /// `STARTTLS` if the server offers it (`?tls=opportunistic`). An attacker on the network can remove the offer.
    Opportunistic,
    /// No encryption at all (`?tls=none`).
    None,
}

/// Why a mail URL is invalid. It never shows the URL, which may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("MAIL_URL {0}")]
pub struct MailUrlError(&'static str);

impl MailUrl {
    /// Parses `smtp://[USER:PASSWORD@]HOST[:PORT][?tls=required|opportunistic|none]`, `smtps://…` or `file:FOLDER`.
    pub fn parse(text: &str) -> Result<Self, MailUrlError> {
        const FORM: MailUrlError = MailUrlError(
            "must be smtp://[USER:PASSWORD@]HOST[:PORT], smtps://[USER:PASSWORD@]HOST[:PORT] or file:FOLDER; write special \
             characters percent-encoded, as in p%40ss",
        );
        if let Some(folder) = text.strip_prefix("file:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            return if folder.is_empty() { Err(FORM) } else { Ok(Self::Folder(folder.into())) };
        }
        let url = Url::parse(text).map_err(|_| FORM)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(FORM);
        }
        let tls: Vec<_> = url.query_pairs().collect();
        let (privacy, port) = match (url.scheme(), tls.as_slice()) {
            ("smtps", []) => (Privacy::Tls, SUBMISSIONS),
            ("smtp", []) => (Privacy::StartTls, SUBMISSION),
            ("smtp", [(name, value)]) if name == "tls" => match &**value {
                "required" => (Privacy::StartTls, SUBMISSION),
                "opportunistic" => (Privacy::Opportunistic, SUBMISSION),
                "none" => (Privacy::None, SUBMISSION),
                _ => return Err(MailUrlError("has a tls= that is neither required, opportunistic nor none")),
            },
            ("smtp" | "smtps", _) => {
                return Err(MailUrlError(
                    "may say ?tls=required, ?tls=opportunistic or ?tls=none after smtp://, and nothing else",
                ));
            }
            _ => return Err(FORM),
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| FORM);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => {
                return Err(MailUrlError("has a user without a password, or a password without a user"));
            }
            (user, Some(password)) => Some((decode(user)?, SecretString::from(decode(password)?))),
        };
        if credentials.is_some() && !matches!(privacy, Privacy::Tls | Privacy::StartTls) {
            return Err(MailUrlError("has a password, which must not travel in the clear: leave out ?tls="));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self::Smtp(Smtp { host, port: url.port().unwrap_or(port), privacy, credentials }))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{MailUrl, Privacy};

    fn read(text: &str) -> Result<String, String> {
        Ok(match MailUrl::parse(text).map_err(|error| error.to_string())? {
            MailUrl::Folder(folder) => format!("folder {}", folder.display()),
            MailUrl::Smtp(smtp) => {
                let who = smtp.credentials.map(|(user, password)| format!("{user} {}", password.expose_secret()));
                format!("{} {} {:?} {}", smtp.host, smtp.port, smtp.privacy, who.unwrap_or_default())
            }
        })
    }

    #[test]
    fn an_address_says_where_and_how_privately() {
        for (text, expected) in [
            ("smtp://mail.example.com", "mail.example.com 587 StartTls "),
            ("smtp://mail.example.com/?tls=required", "mail.example.com 587 StartTls "),
            ("smtps://mail.example.com", "mail.example.com 465 Tls "),
            ("smtp://ada:p%40s%2Fs@mail.example.com:2525", "mail.example.com 2525 StartTls ada p@s/s"),
            ("smtps://ada%40example.com:x@mail.example.com", "mail.example.com 465 Tls ada@example.com x"),
            ("smtp://127.0.0.1:25?tls=none", "127.0.0.1 25 None "),
            ("smtp://[::1]:25?tls=opportunistic", "::1 25 Opportunistic "),
            ("file:/var/mail", "folder /var/mail"),
            ("file:///var/mail", "folder /var/mail"),
            ("file:mail", "folder mail"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        assert_ne!(Privacy::Tls, Privacy::None);
    }

    #[test]
    fn a_password_never_travels_in_the_clear_and_no_mistake_shows_it() {
        for (text, part) in [
            ("smtp://ada:canary@mail.example.com?tls=none", "must not travel in the clear"),
            ("smtp://ada:canary@mail.example.com?tls=opportunistic", "must not travel in the clear"),
            ("smtp://ada:canary@mail.example.com?tls=maybe", "neither required"),
            ("smtp://ada:canary@mail.example.com?tsl=none", "and nothing else"),
            ("smtp://mail.example.com?tls=none&tls=required", "and nothing else"),
            ("smtps://mail.example.com?tls=none", "and nothing else"),
            ("smtp://canary@mail.example.com", "without a password"),
            ("smtp://:canary@mail.example.com", "without a password"),
            ("smtp://ada:canary@mail.example.com/inbox", "must be smtp://"),
            ("smtp://ada:canary@mail.example.com#x", "must be smtp://"),
            ("smtp://ada:can/ary@mail.example.com", "must be smtp://"),
            ("http://ada:canary@mail.example.com", "must be smtp://"),
            ("smtp:canary", "must be smtp://"),
            ("canary", "must be smtp://"),
            ("smtp://", "must be smtp://"),
            ("file:", "must be smtp://"),
            ("", "must be smtp://"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("MAIL_URL ") && error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
