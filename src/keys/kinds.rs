//! Which tokens of the other kind are accepted: those of the secret by a server that signs with keys, and the reverse.
//! Separate from the schedule of keys because a kind is chosen by each server's settings, and two servers may differ
//! for as long as a change of the settings rolls through them.

use std::time::Duration;

use countersign_guard::token::Limit;
use time::OffsetDateTime;

use crate::store::{FormerKind, TokenKeyRows, TokenKind};

/// How far ahead a server says that it still signs with a kind that others have switched from. Far enough that another
/// server, which reads it a moment later, accepts each of its tokens.
pub(super) const STILL_SIGNS_FOR: Duration = Duration::from_secs(30);

/// The bounds of the tokens of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KindBounds {
    /// No server has ever signed with it, or the last of its tokens has expired.
    Refused,
    /// Other servers sign with it.
    Unlimited,
    /// Servers have switched from it.
    Former(FormerKind),
}

/// The bounds of the tokens of a kind that this server does not sign with.
pub(super) fn bounds(rows: &TokenKeyRows, kind: TokenKind) -> KindBounds {
    match rows.kinds.iter().find(|(known, _)| *known == kind) {
        None => KindBounds::Refused,
        Some((_, None)) => KindBounds::Unlimited,
        Some((_, Some(former))) => KindBounds::Former(*former),
    }
}

/// Whether a server that starts must note that it signs with this kind. A server that signs with the secret notes
/// nothing unless another one has signed with keys.
pub(super) fn must_switch(rows: &TokenKeyRows, kind: TokenKind) -> bool {
    let signs = rows.kinds.iter().any(|(known, until)| *known == kind && until.is_none());
    let is_plain = kind == TokenKind::Secret && rows.is_empty();
    !(signs || is_plain)
}

/// The time until which this server says that it still signs with its kind, if others have switched from it and the
/// time that is stored is about to pass.
pub(super) fn still_signs(rows: &TokenKeyRows, own: TokenKind, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let KindBounds::Former(former) = bounds(rows, own) else { return None };
    (former.signed_until < now + STILL_SIGNS_FOR / 2).then(|| now + STILL_SIGNS_FOR)
}

/// Whether the last token of the kind that this server does not sign with has expired, so that it can be forgotten.
pub(super) fn is_over(rows: &TokenKeyRows, other: TokenKind, now: OffsetDateTime) -> bool {
    matches!(bounds(rows, other), KindBounds::Former(former) if former.accepted_until() <= now)
}

/// The limit of a kind that servers have switched from. `tolerance` is how far the clock of the machine that signed may
/// have been ahead.
pub(super) fn limit(former: FormerKind, tolerance: Duration) -> Limit {
    Limit {
        last_iat: (former.signed_until + tolerance).unix_timestamp(),
        until: former.accepted_until().unix_timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::{KindBounds, STILL_SIGNS_FOR, bounds, is_over, limit, must_switch, still_signs};
    use crate::store::{FormerKind, TokenKeyRows, TokenKind};

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn rows(kinds: &[(TokenKind, Option<i64>)]) -> TokenKeyRows {
        let kinds = kinds.iter().map(|(kind, until)| (*kind, until.map(former)));
        TokenKeyRows { kinds: kinds.collect(), ..Default::default() }
    }

    fn former(until: i64) -> FormerKind {
        FormerKind { signed_until: at(until), accepted_for: Duration::from_secs(4_200) }
    }

    #[test]
    fn a_server_with_a_secret_alone_notes_nothing_and_a_switch_is_noted_once() {
        use TokenKind::{Keys, Secret};
        let never = rows(&[]);
        assert!(!must_switch(&never, Secret) && must_switch(&never, Keys));
        assert_eq!((bounds(&never, Keys), bounds(&never, Secret)), (KindBounds::Refused, KindBounds::Refused));
        let keys = rows(&[(Secret, Some(100)), (Keys, None)]);
        assert!(must_switch(&keys, Secret) && !must_switch(&keys, Keys));
        assert_eq!(
            (bounds(&keys, Secret), bounds(&keys, Keys)),
            (KindBounds::Former(former(100)), KindBounds::Unlimited)
        );
        assert!(must_switch(&rows(&[(Secret, None), (Keys, Some(1))]), Keys));
    }

    #[test]
    fn only_a_server_that_others_have_switched_from_says_that_it_still_signs() {
        use TokenKind::{Keys, Secret};
        let keys = rows(&[(Secret, Some(100)), (Keys, None)]);
        assert_eq!(still_signs(&keys, Keys, at(100)), None);
        let ahead = i64::try_from(STILL_SIGNS_FOR.as_secs()).unwrap();
        assert_eq!(still_signs(&keys, Secret, at(100)), Some(at(100 + ahead)));
        let told = rows(&[(Secret, Some(100 + ahead)), (Keys, None)]);
        assert_eq!(still_signs(&told, Secret, at(101)), None, "the time that is stored is far enough");
        assert_eq!(still_signs(&told, Secret, at(100 + ahead)), Some(at(100 + 2 * ahead)));
    }

    #[test]
    fn a_former_kind_is_accepted_up_to_its_switch_and_forgotten_after_its_last_token() {
        let limit = limit(former(1_000), Duration::from_secs(60));
        assert_eq!((limit.last_iat, limit.until), (1_060, 5_200));
        let keys = rows(&[(TokenKind::Secret, Some(1_000)), (TokenKind::Keys, None)]);
        assert!(!is_over(&keys, TokenKind::Secret, at(5_199)) && is_over(&keys, TokenKind::Secret, at(5_200)));
        assert!(!is_over(&keys, TokenKind::Keys, at(i64::from(i32::MAX))), "it signs");
    }
}
