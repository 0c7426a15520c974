//! The deadline of a call: the caller's `grpc-timeout`, limited by the server's. tonic's own server does this in its
//! transport, which this service does not use and which calls of the JSON APIs would not pass.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::status::ToStatus;
use crate::domain::{AuthError, Violations};

/// The deadline of a call, in the extensions of its request.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

/// The timeout of a call that names none, and the longest that a call may name. For a stream, it is the time until the
/// stream begins.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// Sets the deadline of a request, which its handler reads by [`of`].
pub(super) fn set<B>(request: &mut http::Request<B>) -> Result<Instant, Status> {
    let deadline = read(request.headers())?;
    request.extensions_mut().insert(Deadline(deadline));
    Ok(deadline)
}

/// The deadline of a request with these headers that has just arrived.
pub(super) fn read(headers: &HeaderMap) -> Result<Instant, Status> {
    let mut timeouts = headers.get_all("grpc-timeout").iter().map(parse);
    let limit = match (timeouts.next(), timeouts.next()) {
        (None, _) => MAX_TIMEOUT,
        (Some(Some(limit)), None) => limit.min(MAX_TIMEOUT),
        (Some(_), _) => {
            let mut violations = Violations::default();
            violations
                .add("grpc-timeout", "must be there once, with up to eight digits and a unit of H, M, S, m, u or n");
            return Err(ToStatus(AuthError::Validation(violations)).into());
        }
    };
    Ok(Instant::now() + limit)
}

/// The deadline of the call that this request belongs to.
pub(super) fn of<T>(request: &tonic::Request<T>) -> Instant {
    request.extensions().get().map_or_else(|| Instant::now() + MAX_TIMEOUT, |&Deadline(deadline)| deadline)
}

/// Reads `TimeoutValue TimeoutUnit` of the gRPC protocol over HTTP/2.
fn parse(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.to_str().ok()?.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::parse;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("100000000n", None),
            ("5", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("+1S", None),
            ("1s", None),
            ("1 S", None),
        ] {
            assert_eq!(parse(&HeaderValue::from_str(text).unwrap()), expected, "{text:?}");
        }
        assert_eq!(parse(&HeaderValue::from_bytes("1\u{e4}".as_bytes()).unwrap()), None);
    }
}
