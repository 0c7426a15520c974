//! The settings of mail as the operator sees them: a wrong one stops the real binary and is named, and no password is
//! shown.

use std::fs;

use crate::settings::{good, refuses};

#[test]
fn a_wrong_setting_of_mail_stops_the_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
    fs::create_dir(path("templates")).unwrap();
    fs::write(path("templates/verify_email.txt"), "Hello\n\n{{lnik}}\n").unwrap();
    fs::create_dir(path("strays")).unwrap();
    fs::write(path("strays/welcome.html"), "").unwrap();
    fs::write(path("not-pem"), "no certificate").unwrap();
    fs::write(path("url"), "smtp://ada:canary@mail.example.com?tls=none\n").unwrap();
    let from = ("MAIL_FROM", "no-reply@example.com");
    let server = ("MAIL_URL", "smtp://ada:canary@127.0.0.1:1");
    for (name, vars, part) in [
        ("no address", vec![("MAIL_URL", "canary")], "MAIL_URL must be smtp://"),
        ("in the clear", vec![("MAIL_URL", "smtp://ada:canary@a.b?tls=none")], "must not travel in the clear"),
        ("in the clear, of a file", vec![("MAIL_URL_FILE", &*path("url"))], "must not travel in the clear"),
        ("no file", vec![("MAIL_URL_FILE", &*path("nowhere"))], "MAIL_URL_FILE"),
        ("both", vec![server, ("MAIL_URL_FILE", &*path("url"))], "MAIL_URL_FILE"),
        ("no folder", vec![("MAIL_URL", &*format!("file:{}", path("nowhere/mail")))], "MAIL_URL: "),
        ("a folder that is a file", vec![("MAIL_URL", &*format!("file:{}", path("url")))], "MAIL_URL: "),
        ("from nobody", vec![server], "MAIL_FROM is not set"),
        ("from no address", vec![server, ("MAIL_FROM", "Example")], "mail-from"),
        ("from two lines", vec![server, ("MAIL_FROM", "a@b.c\nBcc: d@e.f")], "mail-from"),
        ("no public address", vec![("PUBLIC_URL", "auth.example.com")], "public-url"),
        (
            "a placeholder",
            vec![("MAIL_TEMPLATES", &*path("templates"))],
            "verify_email.txt, line 3: {{lnik}} is not a placeholder",
        ),
        ("a stray file", vec![("MAIL_TEMPLATES", &*path("strays"))], "welcome.html replaces no template"),
        ("no templates", vec![("MAIL_TEMPLATES", &*path("nowhere"))], "MAIL_TEMPLATES: cannot read"),
        ("no authority", vec![server, from, ("MAIL_CA_FILE", &*path("nowhere"))], "MAIL_CA_FILE"),
        ("no certificate", vec![server, from, ("MAIL_CA_FILE", &*path("not-pem"))], "MAIL_CA_FILE"),
        ("misspelt", vec![("MAIL_FORM", "a@b.c")], "did you mean MAIL_FROM?"),
    ] {
        let mut command = good(dir.path());
        command.envs(vars.iter().copied());
        refuses(name, &mut command, &[part]);
        // `refuses` shows the whole output when it fails. The password must not be in it.
        let said = command.output().unwrap().stderr;
        assert!(!String::from_utf8(said).unwrap().contains("canary"), "{name}");
    }
}
