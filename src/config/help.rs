//! The command line with the settings that each command uses in its help. Separate from the parser's struct: every
//! command accepts every setting, because a script may give all of them to all commands, but few commands use many.

use clap::{Arg, Command, CommandFactory as _};

use super::Cli;

const NOTE: &str = "`countersign serve --help` lists all settings. Every command accepts them.";

/// What a command uses that opens the database.
const DATABASE: &[&str] = &["env_file", "database_url", "database_url_file"];

/// What a command uses beside [`DATABASE`] that takes a new password.
const PASSWORD: &[&str] =
    &["hash_params", "hash_kernel", "password_policy", "password_min_length", "breached_passwords_file"];

/// The settings that the subcommands of a command use, as the ids of their arguments.
fn used(command: &str) -> &'static [&'static [&'static str]] {
    match command {
        "completions" | "manual" | "migrate-store" | "passwords" => &[],
        "health" => &[&["env_file", "listen_addr", "tls_cert_file", "tls_key_file", "tls_client_ca_file"]],
        "calibrate" => &[&["env_file", "hash_threads", "hash_kernel"]],
        "keys" => &[DATABASE, &["username_token_lifetime", "email_token_lifetime"]],
        _ => &[DATABASE],
    }
}

/// The subcommands that use more than [`used`] says.
const WITH_PASSWORDS: [(&str, &str); 2] = [("account", "create"), ("account", "password")];

impl Cli {
    /// Returns the command line as people see it: `serve` shows every setting, the other commands those they use.
    pub fn tailored() -> Command {
        let root = Self::command();
        let settings: Vec<Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
        root.mut_subcommands(|command| {
            let name = command.get_name().to_owned();
            if name == "serve" {
                return command;
            }
            let command = showing(command, &settings, used(&name));
            command.mut_subcommands(|inner| match WITH_PASSWORDS.contains(&(&name, inner.get_name())) {
                true => showing(inner, &settings, &[DATABASE, PASSWORD]),
                false => inner.after_help(NOTE),
            })
        })
    }
}

/// Adds all settings to a command, as clap would, and hides those that the command does not use. Its subcommands
/// inherit them as they are here.
fn showing(command: Command, settings: &[Arg], used: &[&[&str]]) -> Command {
    let is_used = |arg: &Arg| used.iter().any(|ids| ids.contains(&arg.get_id().as_str()));
    let args = settings.iter().map(|arg| arg.clone().hide(!is_used(arg)));
    command.args(args).after_help(NOTE)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::{Cli, DATABASE, PASSWORD, WITH_PASSWORDS, used};

    #[test]
    fn every_setting_and_command_that_is_named_exists() {
        let root = Cli::command();
        let ids: Vec<_> = root.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        let names = root.get_subcommands().map(Command::get_name);
        let used = names.flat_map(used).copied().chain([DATABASE, PASSWORD]).flatten();
        for id in used {
            assert!(ids.contains(&id.to_string()), "{id}");
        }
        for (command, inner) in WITH_PASSWORDS {
            assert!(root.find_subcommand(command).unwrap().find_subcommand(inner).is_some(), "{command} {inner}");
        }
    }

    #[test]
    fn a_command_accepts_settings_that_its_help_hides() {
        Cli::tailored().debug_assert();
        let flags = ["countersign", "account", "list", "--max-calls", "100"];
        let matches = Cli::tailored().try_get_matches_from(flags).unwrap();
        assert_eq!(matches.get_one::<usize>("max_calls"), Some(&100));
    }
}
