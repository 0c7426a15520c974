//! The settings for new passwords, and the commands for lists of passwords. Separate because they are one decision.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};

use super::{SettingsError, number};
use crate::domain::{PasswordPolicy, PolicyPreset};

/// The rules for new passwords. Signing in does not check them, so existing passwords stay valid.
#[derive(Debug, Clone, Args)]
pub(crate) struct PolicySettings {
    /// The policy for new passwords: contract, as the documented APIs promise (5 characters, 8 with an email); asvs-l1,
    /// as OWASP ASVS level 1 asks (8 characters, no common password); or nist-800-63b-4, as NIST SP 800-63B-4 asks (15
    /// characters, no common password)
    #[arg(
        long, env, global = true, default_value = "contract",
        value_parser = PossibleValuesParser::new(PolicyPreset::ALL.map(PolicyPreset::as_str))
            .map(|name| PolicyPreset::parse(&name).unwrap_or(PolicyPreset::Contract))
    )]
    pub password_policy: PolicyPreset,

    /// The least number of characters of a new password, up to 64; it can only raise the minimum of PASSWORD_POLICY
    #[arg(long, env, global = true, value_parser = number::<{ PasswordPolicy::HIGHEST_FLOOR }>)]
    pub password_min_length: Option<usize>,

    /// Breached passwords to refuse, with every policy: a sorted file of SHA-1 digests in hexadecimal, or a filter made
    /// of it
    #[arg(long, env, global = true)]
    pub breached_passwords_file: Option<PathBuf>,
}

/// The commands for lists of passwords.
#[derive(Debug, Subcommand)]
pub enum PasswordsCommand {
    /// Make a filter from a sorted file of breached passwords, a twentieth of its size; BREACHED_PASSWORDS_FILE accepts
    /// both files
    BuildFilter {
        /// The file: SHA-1 digests in hexadecimal, one on each line, in ascending order, with or without :COUNT after
        /// them
        input: PathBuf,
        /// The filter file to create
        output: PathBuf,
        /// Bits for each password. The filter also refuses other passwords: one in 256 with 8 bits, one in 65536 with
        /// 16
        #[arg(long, default_value = "16", value_parser = ["8", "16"])]
        bits: String,
    },
}

impl PolicySettings {
    /// Returns the policy, unless the minimum length would lower it.
    pub(crate) fn policy(&self) -> Result<PasswordPolicy, SettingsError> {
        Ok(PasswordPolicy::new(self.password_policy, self.password_min_length)?)
    }

    /// Whether the policy is the one of the documented APIs, which is weaker than every recommendation.
    pub(crate) fn is_contract(&self) -> bool {
        self.password_policy == PolicyPreset::Contract
    }
}
