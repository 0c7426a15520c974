//! The templates of mail. Each kind of mail has a text, which begins with the subject, and an HTML document. A file in
//! the folder `MAIL_TEMPLATES` replaces the embedded file with the same name.

use std::io;
use std::path::{Path, PathBuf};

use super::pattern::{Escaping, Pattern, PatternError, Placeholder};
use crate::domain::MailKind;

/// Why the templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder, or a file in it, cannot be read.
    #[error("cannot read {path}: {cause}", path = .0.display(), cause = .1)]
    Unreadable(PathBuf, io::Error),
    /// A file in the folder has no name of a template.
    #[error(
        "{path} replaces no template: the names of the templates are {names}, each with .txt and .html",
        path = .0.display(),
        names = MailKind::ALL.map(MailKind::as_str).join(", ")
    )]
    Stray(PathBuf),
    /// A template has a mistake in its placeholders.
    #[error("{path}, {cause}", path = .0.display(), cause = .1)]
    Pattern(PathBuf, PatternError),
    /// A template has no subject, or lacks the link that mail of its kind needs.
    #[error("{path}: {problem}", path = .0.display(), problem = .1)]
    Lacking(PathBuf, &'static str),
}

/// A template with its values filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilledTemplate {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The templates of all kinds of mail.
#[derive(Debug)]
pub(super) struct Templates(Vec<(MailKind, MailTemplate)>);

#[derive(Debug)]
struct MailTemplate {
    subject: Pattern,
    text: Pattern,
    html: Pattern,
}

/// The embedded text and HTML of a kind.
fn embedded(kind: MailKind) -> [&'static str; 2] {
    macro_rules! both {
        ($name:literal) => {
            [include_str!(concat!($name, ".txt")), include_str!(concat!($name, ".html"))]
        };
    }
    match kind {
        MailKind::VerifyEmail => both!("verify_email"),
        MailKind::ResetPassword => both!("reset_password"),
        MailKind::ChangeEmail => both!("change_email"),
        MailKind::EmailChanged => both!("email_changed"),
        MailKind::PasswordChanged => both!("password_changed"),
        MailKind::SecondFactorAdded => both!("second_factor_added"),
        MailKind::SecondFactorRemoved => both!("second_factor_removed"),
        MailKind::RecoveryCodesMade => both!("recovery_codes_made"),
        MailKind::RecoveryCodesFew => both!("recovery_codes_few"),
        MailKind::Invitation => both!("invitation"),
    }
}

/// The placeholders that the templates of a kind may use.
fn allowed(kind: MailKind) -> Vec<Placeholder> {
    use Placeholder::{Email, Firm, Inviter, Link, Name, Role, Service, Valid};
    match kind {
        MailKind::VerifyEmail | MailKind::ResetPassword | MailKind::ChangeEmail => {
            vec![Email, Service, Name, Link, Valid]
        }
        MailKind::EmailChanged
        | MailKind::PasswordChanged
        | MailKind::SecondFactorAdded
        | MailKind::SecondFactorRemoved
        | MailKind::RecoveryCodesMade
        | MailKind::RecoveryCodesFew => vec![Email, Service, Name],
        MailKind::Invitation => vec![Email, Service, Firm, Inviter, Role, Link, Valid],
    }
}

impl Templates {
    /// Reads the templates of `folder`, and the embedded ones where it has none.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self, TemplateError> {
        if let Some(folder) = folder {
            refuse_strays(folder)?;
        }
        let one = |kind: MailKind| {
            let [text, html] = embedded(kind);
            let (text_path, text) = read(folder, kind, "txt", text)?;
            let (html_path, html) = read(folder, kind, "html", html)?;
            let allowed = allowed(kind);
            let parse = |path: &Path, text: &str, line| {
                Pattern::parse(text, line, &allowed).map_err(|error| TemplateError::Pattern(path.to_owned(), error))
            };
            let (subject, body) = text.split_once('\n').unwrap_or((&text, ""));
            if subject.trim().is_empty() {
                return Err(TemplateError::Lacking(text_path, "the first line is the subject and must not be empty"));
            }
            let template = MailTemplate {
                subject: parse(&text_path, subject.trim(), 1)?,
                text: parse(&text_path, body, 2)?,
                html: parse(&html_path, &html, 1)?,
            };
            for (path, pattern) in [(text_path, &template.text), (html_path, &template.html)] {
                if kind.purpose().is_some() && !pattern.has(Placeholder::Link) {
                    return Err(TemplateError::Lacking(path, "mail of this kind needs a {{link}}"));
                }
            }
            Ok((kind, template))
        };
        MailKind::ALL.into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Fills in the templates of a kind.
    pub(super) fn fill(&self, kind: MailKind, value: impl Fn(Placeholder) -> String) -> Option<FilledTemplate> {
        let (_, template) = self.0.iter().find(|(its, _)| *its == kind)?;
        let subject = template.subject.fill(Escaping::None, &value);
        let text = template.text.fill(Escaping::None, &value);
        Some(FilledTemplate {
            // Without line breaks from values or files, which would begin another header.
            subject: subject.chars().filter(|c| !c.is_control()).collect(),
            text: text.trim_start_matches(['\r', '\n']).to_owned(),
            html: template.html.fill(Escaping::Html, &value),
        })
    }
}

/// The text of a template and its path: the operator's if there is one, otherwise the embedded one.
fn read(folder: Option<&Path>, kind: MailKind, form: &str, embedded: &str) -> Result<(PathBuf, String), TemplateError> {
    let name = format!("{}.{form}", kind.as_str());
    let Some(folder) = folder else {
        return Ok((name.into(), embedded.to_owned()));
    };
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, embedded.to_owned())),
        Err(error) => Err(TemplateError::Unreadable(path, error)),
    }
}

/// Refuses files with unknown names: a misspelt one would have no effect, and nobody would notice for months.
fn refuse_strays(folder: &Path) -> Result<(), TemplateError> {
    let unreadable = |error| TemplateError::Unreadable(folder.to_owned(), error);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let part = |part: Option<&std::ffi::OsStr>| part.and_then(|text| text.to_str()).unwrap_or_default().to_owned();
        let is_form = matches!(&*part(path.extension()), "txt" | "html");
        if is_form && MailKind::parse(&part(path.file_stem())).is_none() {
            return Err(TemplateError::Stray(path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Placeholder, Templates};
    use crate::domain::MailKind;

    #[test]
    fn every_mail_of_the_binary_says_what_it_is_about_in_both_forms() {
        let templates = Templates::load(None).unwrap();
        for kind in MailKind::ALL {
            let content = templates.fill(kind, |value| format!("<{value:?}>\r\nBcc: x")).unwrap();
            assert!(!content.subject.contains(['\r', '\n', '{']), "{kind:?}: {}", content.subject);
            assert_eq!(content.text.contains("<Link>"), kind.purpose().is_some(), "{kind:?}");
            assert_eq!(content.html.contains("href=\"&lt;Link&gt;"), kind.purpose().is_some(), "{kind:?}");
            assert!(content.html.contains("<!doctype html>") && !content.html.contains("<Service>"), "{kind:?}");
            // Anybody can have these kinds of mail sent to a stranger, so they must not hold a name that this
            // person chose.
            let strangers = [MailKind::VerifyEmail, MailKind::ChangeEmail].contains(&kind);
            assert!(!strangers || !content.text.contains(&format!("{:?}", Placeholder::Name)), "{kind:?}");
        }
    }

    #[test]
    fn a_folder_replaces_file_by_file_and_every_mistake_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let load = || Templates::load(Some(dir.path())).map_err(|error| error.to_string());
        write("verify_email.txt", "Welcome to {{service}}\r\n\r\nGo to {{ link }}\n");
        write("notes.md", "not ours");
        let content = load().unwrap().fill(MailKind::VerifyEmail, |value| format!("{value:?}")).unwrap();
        assert_eq!((&*content.subject, &*content.text), ("Welcome to Service", "Go to Link\n"));
        assert!(content.html.contains("Link"), "the embedded one");
        for (name, text, part) in [
            (
                "verify_email.txt",
                "Welcome\n\n{{link}} {{nmae}}",
                "verify_email.txt, line 3: {{nmae}} is not a placeholder",
            ),
            ("verify_email.txt", "\n{{link}}", "verify_email.txt: the first line is the subject"),
            ("verify_email.txt", "Welcome\nwithout", "verify_email.txt: mail of this kind needs a {{link}}"),
            ("verify_email.txt", "Welcome\n{{link", "verify_email.txt, line 2: a {{ is not closed by }}"),
            (
                "email_changed.html",
                "{{link}}",
                "email_changed.html, line 1: {{link}} is not a placeholder of this mail",
            ),
            ("verify-email.txt", "", "verify-email.txt replaces no template"),
        ] {
            write(name, text);
            let error = load().unwrap_err();
            assert!(error.contains(part), "{error}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(Templates::load(Some(&dir.path().join("nowhere"))).unwrap_err().to_string().contains("nowhere"));
    }
}
