//! The names of variables that look like settings and are none. Separate because a silently ignored setting is a
//! security fault, and because what is known of such names grows.

use std::fmt;

use clap::CommandFactory as _;

use super::{Cli, SettingsError};

/// Names that can only be meant for this service. They stop the start, as misspelt settings do.
const MEANT: [(&str, &str); 20] = [
    ("LISTEN", "LISTEN_ADDR"),
    ("LISTEN_ADDRESS", "LISTEN_ADDR"),
    ("LISTEN_PORT", "LISTEN_ADDR"),
    ("REGISTRATION", "ALLOW_REGISTRATION"),
    ("REGISTRATION_ENABLED", "ALLOW_REGISTRATION"),
    ("ENABLE_REGISTRATION", "ALLOW_REGISTRATION"),
    ("OPEN_REGISTRATION", "ALLOW_REGISTRATION"),
    ("JWT_KEY", "JWT_SECRET"),
    ("JWT_SECRET_KEY", "JWT_SECRET"),
    ("JWT_SECRET_OLD", "JWT_SECRET_PREVIOUS"),
    ("PREVIOUS_JWT_SECRET", "JWT_SECRET_PREVIOUS"),
    ("JWT_ALGORITHM", "TOKEN_ALGORITHM"),
    ("JWT_ISSUER", "ISSUER"),
    ("JWT_AUDIENCE", "TOKEN_AUDIENCE"),
    ("PRIVATE_KEY_FILE", "SIGNING_KEY_FILE"),
    ("CORS_ORIGIN", "CORS_ALLOWED_ORIGINS"),
    ("CORS_ORIGINS", "CORS_ALLOWED_ORIGINS"),
    ("CORS_ALLOW_ORIGIN", "CORS_ALLOWED_ORIGINS"),
    ("TLS_CERTIFICATE_FILE", "TLS_CERT_FILE"),
    ("TLS_PRIVATE_KEY_FILE", "TLS_KEY_FILE"),
];

/// Names that other programs and platforms set, too. The server starts and warns of them, unless the setting is given.
const USUAL: [(&str, &str); 14] = [
    ("RUST_LOG", "LOG_LEVEL"),
    ("LOGLEVEL", "LOG_LEVEL"),
    ("PORT", "LISTEN_ADDR"),
    ("BIND_ADDR", "LISTEN_ADDR"),
    ("BIND_ADDRESS", "LISTEN_ADDR"),
    ("DB_URL", "DATABASE_URL"),
    ("DATABASE_DSN", "DATABASE_URL"),
    ("POSTGRES_URL", "DATABASE_URL"),
    ("SECRET_KEY", "JWT_SECRET"),
    ("SMTP_URL", "MAIL_URL"),
    ("SMTP_HOST", "MAIL_URL"),
    ("BASE_URL", "PUBLIC_URL"),
    ("ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGINS"),
    ("FORWARDED_ALLOW_IPS", "TRUSTED_PROXIES"),
];

/// A variable that is set and not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadVariable {
    found: &'static str,
    meant: &'static str,
}

impl fmt::Display for UnreadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, meant } = self;
        write!(f, "the variable {found} is set and is not read by this service: its setting for that is {meant}")
    }
}

/// Looks at the names of all variables. Fails at one that is nearly a setting, and returns those that are read under
/// another name.
pub(super) fn check(environment: impl Iterator<Item = String>) -> Result<Vec<UnreadVariable>, SettingsError> {
    let command = Cli::command();
    let known = known(&command);
    let (given, others): (Vec<_>, Vec<_>) = environment.partition(|name| known.contains(&name.as_str()));
    for found in &others {
        if let Some(meant) = misspelt(found, &known) {
            return Err(SettingsError::Misspelt { found: found.clone(), meant: meant.to_owned() });
        }
    }
    let unread = USUAL.iter().filter(|(found, meant)| {
        others.iter().any(|other| other == found)
            && !given.iter().any(|given| given.trim_end_matches("_FILE") == *meant)
    });
    Ok(unread.map(|&(found, meant)| UnreadVariable { found, meant }).collect())
}

/// Returns the variables of all settings.
pub(super) fn known(command: &clap::Command) -> Vec<&str> {
    command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect()
}

/// Returns the setting that the name of a variable stands for, if the name can only be a mistake.
fn misspelt<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    // One typing mistake, or two in long names; or the name of a setting with `_FILE` that has none.
    let is_near = |known: &str| strsim::osa_distance(found, known) <= known.len() / 8;
    let near = known.iter().find(|&&at| is_near(at) || at.strip_suffix("_FILE") == Some(found)).copied();
    near.or_else(|| MEANT.iter().find(|(name, _)| *name == found).map(|(_, meant)| *meant))
}

/// Returns the setting that is meant by a name which was certainly meant to be one.
pub(super) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let usual = || USUAL.iter().find(|(name, _)| *name == found).map(|(_, meant)| *meant);
    misspelt(found, known).or_else(usual)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{MEANT, USUAL, check};
    use crate::config::Cli;

    fn checked(names: &[&str]) -> Result<Vec<String>, String> {
        let unread = check(names.iter().map(|&name| name.to_owned())).map_err(|error| error.to_string())?;
        Ok(unread.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_misspelt_setting_is_named_and_what_is_not_ours_is_left_alone() {
        for name in [
            "JWT_SECRT",
            "ALLOW_REGISTRATON",
            "ALOW_REGISTRATION",
            "DATABASE_URI",
            "LISTEN_ADR",
            "TLS_CERT",
            "LOG_LEVL",
            "LISTEN_ADDRESS",
            "REGISTRATION",
        ] {
            assert!(checked(&[name]).unwrap_err().starts_with(&format!("unknown setting {name}")), "{name}");
        }
        for name in ["PATH", "HOME", "HOST", "MAIL", "LISTEN_FDS", "LISTEN_PID", "DATABASE_HOST", "SECRET", "LOG_LEVEL"]
        {
            assert_eq!(checked(&[name]), Ok(vec![]), "{name}");
        }
    }

    #[test]
    fn a_usual_name_is_told_unless_its_setting_is_given() {
        let told = checked(&["RUST_LOG", "PATH", "PORT"]).unwrap();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("RUST_LOG") && told[0].ends_with("LOG_LEVEL"), "{told:?}");
        assert_eq!(checked(&["RUST_LOG", "LOG_LEVEL", "DB_URL", "DATABASE_URL_FILE"]), Ok(vec![]));
    }

    #[test]
    fn every_name_leads_to_a_setting_and_is_none() {
        let command = Cli::command();
        let known: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
        for (name, meant) in MEANT.iter().chain(&USUAL) {
            assert!(known.contains(meant) && !known.contains(name), "{name}");
        }
    }
}
