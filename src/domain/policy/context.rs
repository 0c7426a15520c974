//! Refuses passwords that consist of words beside the account, which an attacker tries first. Separate from the policy
//! because it decides which words those are and what "consist of" means.

use super::common::is_common;
use super::fold;
use crate::domain::{Email, FirmName, Identity, PersonName, Username};
use zeroize::Zeroizing;

/// The name of the service that accounts sign in to.
const PRODUCT: &str = "countersign";

/// The shortest word that is looked for. Good passwords often contain shorter words by chance.
const SHORTEST_WORD: usize = 4;

/// With fewer letters and digits beside the words, all combinations are tried in a moment.
const FEWEST_BESIDE: usize = 4;

/// The digits of a date, which people often add to a name.
const DATE: usize = 8;

/// The account that a password is for: its kind, which has its own minimum length, and the words beside it.
#[derive(Debug, Clone)]
pub struct PasswordContext {
    is_email: bool,
    /// The words, folded, each of [`SHORTEST_WORD`] characters or more.
    words: Vec<String>,
}

impl PasswordContext {
    /// Returns the context of a username account; the name is `None` when it is invalid or unknown.
    pub fn of_username(username: Option<&Username>) -> Self {
        let mut context = Self::with_product(false);
        if let Some(username) = username {
            context.add(username.as_str());
        }
        context
    }

    /// Returns the context of an email account; parts are `None` when they are invalid or unknown.
    pub fn of_email(email: Option<&Email>, name: Option<&PersonName>, firm_name: Option<&FirmName>) -> Self {
        let mut context = Self::with_product(true);
        if let Some((local, domain)) = email.and_then(|email| email.as_str().split_once('@')) {
            context.add(local);
            context.add(domain);
        }
        for name in name.map(PersonName::as_str).into_iter().chain(firm_name.map(FirmName::as_str)) {
            context.add(name);
        }
        context
    }

    /// Returns the context of an existing account.
    pub fn of(identity: &Identity) -> Self {
        match identity {
            Identity::Username(username) => Self::of_username(Some(username)),
            Identity::Email { email, name, firm, .. } => Self::of_email(Some(email), Some(name), Some(&firm.name)),
        }
    }

    /// Whether the account is an email account.
    pub(super) fn is_email(&self) -> bool {
        self.is_email
    }

    fn with_product(is_email: bool) -> Self {
        let mut context = Self { is_email, words: Vec::new() };
        context.add(PRODUCT);
        context
    }

    /// Adds each word of a name, and all of them written together, forwards and backwards.
    fn add(&mut self, name: &str) {
        let folded = fold(name);
        let parts = || folded.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        let all = parts().map(str::to_owned).chain([parts().collect()]);
        let all = all.flat_map(|word: String| [word.chars().rev().collect(), word]);
        self.words.extend(all.filter(|word: &String| word.chars().count() >= SHORTEST_WORD));
    }

    /// Whether a folded password is one of the words with nothing beside it that must be guessed: fewer than four
    /// letters and digits, only digits and no more than a date has, or a common password. Punctuation and spaces do not
    /// count. That holds for `alice2027!`, `Acme-Capital` and `countersign1`, but not for "alice keeps nine grey
    /// geese": a passphrase may mention a name.
    pub(super) fn is_all_there_is_to(&self, folded: &str) -> bool {
        let mut covered = vec![false; folded.len()];
        for word in &self.words {
            for (at, found) in folded.match_indices(word.as_str()) {
                covered[at..at + found.len()].fill(true);
            }
        }
        if !covered.contains(&true) {
            return false;
        }
        let mut beside = Zeroizing::new(String::with_capacity(folded.len()));
        beside.extend(folded.char_indices().filter(|&(at, _)| !covered[at]).map(|(_, c)| c));
        let is_filling = |c: char| c.is_ascii_punctuation() || c.is_whitespace();
        let counted = beside.chars().filter(|&c| !is_filling(c)).count();
        let only_digits = beside.chars().all(|c| c.is_numeric() || is_filling(c));
        counted < FEWEST_BESIDE || (only_digits && counted <= DATE) || is_common(beside.trim_matches(is_filling))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::PasswordContext;
    use crate::domain::policy::fold;
    use crate::domain::{Email, FirmName, PersonName, Username};

    fn ada() -> PasswordContext {
        PasswordContext::of_email(
            Some(&Email::parse("a.lovelace+crm@mail.engines.example").unwrap()),
            Some(&PersonName::parse("Ada Müller-Ng").unwrap()),
            Some(&FirmName::parse("Acme Capital, Ltd.").unwrap()),
        )
    }

    #[test]
    fn a_name_with_hardly_anything_beside_it_is_found_in_any_spelling() {
        for refused in [
            "lovelace",
            "LoveLace2027!",
            "Engines-1815",
            "lovelace 10.12.1815",
            "12345lovelace",
            "MÜLLER!!!",
            "mu\u{308}ller99",
            "ｌｏｖｅｌａｃｅ１",
            "adamüllerng",
            "alovelacecrm",
            "acmecapitalltd",
            "Acme-Capital",
            "capitalcapital",
            "Countersign1",
            "lovelacepassword",
            "ecalevoL2027!",
            "rellüm99",
            "gnrellümada",
            "Latipac-1",
            "ngisretnuoc",
            "lovelace 123456789",
            "lovelace_iloveyou!",
            "mail.engines.example",
        ] {
            assert!(ada().is_all_there_is_to(&fold(refused)), "{refused}");
        }
    }

    #[test]
    fn a_passphrase_may_mention_a_name() {
        for fine in [
            "lovelace keeps nine grey geese",
            "the capital of nowhere",
            "lovelace 918273640",
            "lovelace kvtq",
            "k3#vTq9!m2",
            "ada ada ada",
            "lovela",
            "acm3 c4pit4l",
            "",
        ] {
            assert!(!ada().is_all_there_is_to(&fold(fine)), "{fine}");
        }
    }

    #[test]
    fn a_username_and_the_product_are_words_and_short_ones_are_not() {
        let of = |name: &str| PasswordContext::of_username(Some(&Username::parse(name).unwrap()));
        assert!(of("alice").is_all_there_is_to(&fold("ALICE12345")));
        assert!(of("al 🦀 ice").is_all_there_is_to(&fold("alice2027")));
        assert!(!of("bob").is_all_there_is_to(&fold("bob12345")), "too short a word to tell");
        assert!(!of("alice").is_all_there_is_to(&fold("lovelace")));
        assert!(PasswordContext::of_username(None).is_all_there_is_to(&fold("countersign!")));
    }

    proptest! {
        #[test]
        fn no_input_panics(name in "\\PC{1,15}", password in "\\PC{0,60}") {
            let username = Username::parse(&name).ok();
            let context = PasswordContext::of_username(username.as_ref());
            let _ = context.is_all_there_is_to(&fold(&password));
            let _ = context.is_all_there_is_to(&fold(&format!("{password}{name}{password}")));
        }
    }
}
