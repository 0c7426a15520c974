//! The settings of guessing budgets by address. Apart from the others, for they are one decision. By account there is no
//! setting: those numbers are the same everywhere (`budgets::lockout`).

use clap::Args;

use super::number;

/// How often an address may do what, IPv6 by /64; and, sixteen times as often, its network.
#[derive(Debug, Clone, Copy, Args)]
pub struct BudgetSettings {
    /// How often an hour an address may fail to sign in; 0 is without limit
    #[arg(long, env, global = true, default_value = "100", value_parser = per_hour)]
    pub login_failures_per_address: u32,

    /// How often an hour an address may register, or try to; 0 is without limit
    #[arg(long, env, global = true, default_value = "60", value_parser = per_hour)]
    pub registrations_per_address: u32,

    /// How often an hour an address may ask for mail; 0 is without limit
    #[arg(long, env, global = true, default_value = "20", value_parser = per_hour)]
    pub mail_requests_per_address: u32,
}

/// A whole number, at most a million.
fn per_hour(text: &str) -> Result<u32, &'static str> {
    const FORM: &str = "write a whole number of at most 1000000; 0 is without limit";
    if text == "0" {
        return Ok(0);
    }
    number::<1_000_000>(text).ok().and_then(|number| number.try_into().ok()).ok_or(FORM)
}

#[cfg(test)]
mod tests {
    use super::per_hour;

    #[test]
    fn a_limit_is_a_whole_number() {
        for (text, expected) in [("0", Some(0)), ("1", Some(1)), ("1000000", Some(1_000_000))] {
            assert_eq!(per_hour(text).ok(), expected, "{text}");
        }
        for text in ["", "-1", "+1", "1.5", "1000001", "99999999999999999999", "ten", " 1", "00x"] {
            assert!(per_hour(text).is_err(), "{text:?}");
        }
    }
}
