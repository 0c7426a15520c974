//! The settings for new passwords, and the commands for lists of passwords. Separate because they are one decision.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};

use super::{SettingsError, number};
use crate::domain::{PasswordPolicy, PolicyPreset};

/// The rules for new passwords. Signing in does not check them, so existing passwords stay valid.
#[derive(Debug, Clone, Args)]
pub struct PolicySettings {
    /// The rules for new passwords: those of the documented APIs (5 characters, 8 with an email), OWASP ASVS level 1
    /// (8, no common ones), or NIST SP 800-63B-4 (15, no common ones)
    #[arg(
        long, env, global = true, default_value = "contract",
        value_parser = PossibleValuesParser::new(PolicyPreset::ALL.map(PolicyPreset::as_str))
            .map(|name| PolicyPreset::parse(&name).unwrap_or(PolicyPreset::Contract))
    )]
    pub password_policy: PolicyPreset,

    /// The minimum length of new passwords in characters; it can only raise the minimum of PASSWORD_POLICY
    #[arg(long, env, global = true, value_parser = number::<{ PasswordPolicy::HIGHEST_FLOOR }>)]
    pub password_min_length: Option<usize>,

    /// A file of breached passwords, which are refused: a sorted list of SHA-1 in hexadecimal, or a filter of it
    #[arg(long, env, global = true)]
    pub breached_passwords_file: Option<PathBuf>,
}

/// The commands for lists of passwords.
#[derive(Debug, Subcommand)]
pub enum PasswordsCommand {
    /// Make a filter of a sorted list of breached passwords, a twentieth of its size; BREACHED_PASSWORDS_FILE takes
    /// either
    BuildFilter {
        /// The list: one SHA-1 in hexadecimal a line, in ascending order, with or without :COUNT behind it
        input: PathBuf,
        /// The filter to make
        output: PathBuf,
        /// Bits for each password: with 8, one in 256 of all other passwords is refused by mistake, with 16 one in
        /// 65536
        #[arg(long, default_value = "16", value_parser = ["8", "16"])]
        bits: String,
    },
}

impl PolicySettings {
    /// Returns the policy, unless the minimum length would lower it.
    pub fn policy(&self) -> Result<PasswordPolicy, SettingsError> {
        Ok(PasswordPolicy::new(self.password_policy, self.password_min_length)?)
    }

    /// Whether the policy is the one of the documented APIs, which is weaker than every recommendation.
    pub fn is_contract(&self) -> bool {
        self.password_policy == PolicyPreset::Contract
    }
}
