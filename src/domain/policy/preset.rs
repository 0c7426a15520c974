//! The presets of the policy. Separate from the judging, which works with numbers only.

use crate::domain::Password;

/// The rules that a policy begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyPreset {
    /// The promise of both documented APIs: 5 characters for a username account, 8 for an email account.
    Contract,
    /// OWASP ASVS 5.0, level 1: 8 characters, none of the most common passwords, not made of words of the context.
    AsvsL1,
    /// NIST SP 800-63B-4, for a password that is the only factor: the same with 15 characters.
    Nist80063b4,
}

impl PolicyPreset {
    /// All presets, in the order of their definition.
    pub const ALL: [Self; 3] = [Self::Contract, Self::AsvsL1, Self::Nist80063b4];

    /// Returns the spelling in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::AsvsL1 => "asvs-l1",
            Self::Nist80063b4 => "nist-800-63b-4",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text)
    }

    /// Returns the minimum of code points for a username account and for an email account.
    pub(super) fn floors(self) -> (usize, usize) {
        match self {
            Self::Contract => (Password::USERNAME_FLOOR, Password::EMAIL_FLOOR),
            Self::AsvsL1 => (8, 8),
            Self::Nist80063b4 => (15, 15),
        }
    }
}

/// A minimum length below that of the preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "PASSWORD_MIN_LENGTH={asked} is less than the {floor} characters of PASSWORD_POLICY={}, which it can only raise: \
     leave it out, or set it to {floor} or more", .preset.as_str()
)]
pub struct LowerThanPreset {
    pub(super) asked: usize,
    pub(super) floor: usize,
    pub(super) preset: PolicyPreset,
}
