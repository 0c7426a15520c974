//! The limits of failed guesses, registrations and requests for mail by address. Separate because they are one
//! decision. The limits of one account are not settings: they are the same everywhere (`budgets::lockout`).

use clap::Args;

use super::number;

/// What an address may do in an hour. IPv6 addresses are counted by /64, and a network has sixteen times the limit of
/// an address.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BudgetSettings {
    /// The rate limit of failed sign-ins for each address, an hour; 0 means no limit
    #[arg(long, env, global = true, default_value = "100", value_parser = per_hour)]
    pub login_failures_per_address: u32,

    /// The rate limit of registrations for each address, an hour, failed ones included; 0 means no limit
    #[arg(long, env, global = true, default_value = "60", value_parser = per_hour)]
    pub registrations_per_address: u32,

    /// The rate limit of requests for mail for each address, an hour; 0 means no limit
    #[arg(long, env, global = true, default_value = "20", value_parser = per_hour)]
    pub mail_requests_per_address: u32,

    /// The rate limit of wrong INTROSPECTION_CREDENTIALS for each address, an hour, and of wrong tokens that a service
    /// asks about; 0 means no limit
    #[arg(long, env, global = true, default_value = "1000", value_parser = per_hour)]
    pub introspection_failures_per_address: u32,
}

/// Reads a whole number, at most a million.
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
