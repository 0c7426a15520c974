//! When the certificates of the server expire, and the warnings of it in the log. Separate from `certificate`, which
//! decides what is served: an expired certificate is served too, because a late one is better than none.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When the standing of a certificate was last told, so that it is told once a day.
#[derive(Debug, Default)]
pub(super) struct DailyReminder(Option<OffsetDateTime>);

/// How long before its end a certificate is warned of. For one that lives for less than six weeks, it is a third of its
/// life, so that certificates of a few days are not warned of all the time.
const SOON: time::Duration = time::Duration::days(14);

/// The time in which every certificate of a chain is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    begins: OffsetDateTime,
    ends: OffsetDateTime,
}

/// What clients make of a certificate.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Good,
    NotYetValid,
    ExpiresSoon,
    Expired,
}

impl DailyReminder {
    /// Whether it is time to tell it, at the first time and a day after each time that it was.
    pub(super) fn is_due(&mut self, now: OffsetDateTime) -> bool {
        let is_due = self.0.is_none_or(|told_at| now - told_at >= time::Duration::DAY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

impl Validity {
    /// Reads the times of a chain; `None` if a certificate has none that can be read.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let all = chain.iter().map(Self::of_one).collect::<Option<Vec<_>>>()?;
        Some(Self { begins: all.iter().map(|one| one.begins).max()?, ends: all.iter().map(|one| one.ends).min()? })
    }

    /// rustls does not show the times of a certificate, but names them when it refuses one that is not valid yet or has
    /// expired. So it is asked about 1970 and about the year 9998. It judges the times before anything else.
    fn of_one(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let algorithms = default_provider().signature_verification_algorithms.all;
        let refused_at = |seconds| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms).err()
        };
        let begins = match refused_at(0)? {
            Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => not_before,
            _ => UnixTime::since_unix_epoch(Duration::ZERO),
        };
        let Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) = refused_at(LATEST)? else {
            return None;
        };
        let time = |time: UnixTime| OffsetDateTime::from_unix_timestamp(time.as_secs().try_into().ok()?).ok();
        Some(Self { begins: time(begins)?, ends: time(not_after)? })
    }

    fn standing(self, now: OffsetDateTime) -> Standing {
        let soon = ((self.ends - self.begins) / 3_i32).min(SOON);
        match self.ends - now {
            _ if now < self.begins => Standing::NotYetValid,
            left if left < time::Duration::ZERO => Standing::Expired,
            left if left < soon => Standing::ExpiresSoon,
            _ => Standing::Good,
        }
    }

    /// Warns if clients refuse the chain now, or soon will.
    pub(super) fn warn(self, now: OffsetDateTime) {
        let [begins, ends] = [self.begins, self.ends].map(|time| time.format(&Rfc3339).unwrap_or_default());
        match self.standing(now) {
            Standing::Good => {}
            Standing::NotYetValid => tracing::warn!(
                event = "tls",
                result = "not valid yet",
                from = begins,
                "a certificate of TLS_CERT_FILE is not valid yet, so clients refuse it: check the clock, or replace \
                 the file"
            ),
            Standing::ExpiresSoon => tracing::warn!(
                event = "tls",
                result = "expires soon",
                until = ends,
                days = (self.ends - now).whole_days(),
                "a certificate of TLS_CERT_FILE expires soon: replace the file, which is read again without a restart"
            ),
            Standing::Expired => tracing::warn!(
                event = "tls",
                result = "expired",
                until = ends,
                "a certificate of TLS_CERT_FILE has expired, so clients refuse it: replace the file, which is read \
                 again without a restart"
            ),
        }
    }
}

/// The last second of the year 9998, in seconds since 1970. A certificate that never expires ends a year later.
const LATEST: u64 = 253_370_764_799;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::{DailyReminder, Standing, Validity};

    fn at(day: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000 + day * 86_400).unwrap()
    }

    fn of(chain: &[(i64, i64)]) -> Validity {
        let signed = chain.iter().map(|(begins, ends)| {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (at(*begins), at(*ends));
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
        });
        Validity::of(&signed.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_times_of_a_chain_are_those_in_which_all_of_it_is_valid() {
        assert_eq!(of(&[(0, 90)]), Validity { begins: at(0), ends: at(90) });
        assert_eq!(of(&[(0, 90), (10, 80), (-100, 1_000)]), Validity { begins: at(10), ends: at(80) });
        assert_eq!(Validity::of(&[]), None);
        assert_eq!(Validity::of(&[vec![48, 0].into()]), None);
    }

    #[test]
    fn it_is_told_at_the_start_and_once_a_day() {
        let mut reminder = DailyReminder::default();
        let hours = [0, 1, 23, 24, 25, 47, 48, 100, 123, 124];
        let due = hours.map(|hour| reminder.is_due(at(0) + time::Duration::hours(hour)));
        assert_eq!(due, [true, false, false, true, false, false, true, true, false, true]);
    }

    #[test]
    fn a_certificate_is_warned_of_two_weeks_or_a_third_of_its_life_before_its_end() {
        for (life, day, standing) in [
            (90, -1, Standing::NotYetValid),
            (90, 0, Standing::Good),
            (90, 76, Standing::Good),
            (90, 77, Standing::ExpiresSoon),
            (90, 90, Standing::ExpiresSoon),
            (90, 91, Standing::Expired),
            (6, 4, Standing::Good),
            (6, 5, Standing::ExpiresSoon),
        ] {
            assert_eq!(of(&[(0, life)]).standing(at(day)), standing, "day {day} of {life}");
        }
    }
}
