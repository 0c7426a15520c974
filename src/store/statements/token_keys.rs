//! The shared SQL of the tables `token_keys` and `token_kinds`.

use time::OffsetDateTime;
use uuid::Uuid;

use super::bound::{BoundStatement, also, decides, id as uuid, number, text, time};
use super::revocations;
use crate::domain::KeyId;
use crate::store::tables::Value;
use crate::store::token_keys::{KeyChange, TokenKind};

/// Lists all keys in the order of their publication. Keys that were published together are in the order of their
/// signing, those that have not signed last.
pub(crate) const LIST: &str = "select kid, algorithm, public_key, sealed_key, state, published_at, signs_from,
         rotation_asked, accepted_until
     from token_keys order by published_at, coalesce(signs_from, 9223372036854775807), kid";

/// Lists the kinds of keys that have signed.
pub(crate) const KINDS: &str = "select kind, signed_until, accepted_for from token_kinds";

/// Reads the longest lifetime of a token in milliseconds.
pub(crate) const LONGEST: &str = "select coalesce(max(token_lifetime), 0) from sessions";

const PUBLISH: &str = "insert into token_keys (kid, algorithm, public_key, sealed_key, state, published_at)
     values ($1, $2, $3, $4, 'next', $5) on conflict do nothing";

const WITHDRAW: &str = "delete from token_keys where kid = $1 and state = 'next'";

const WITHDRAW_ANY: &str = "delete from token_keys where state = 'next'";

/// Ends the signing of the current key, unless it is `$1`. Its private key is deleted.
const RETIRE: &str = "update token_keys
     set state = 'former', accepted_until = $2, sealed_key = null, rotation_asked = 0
     where state = 'current' and kid <> $1";

const PROMOTE: &str = "update token_keys set state = 'current', signs_from = $2 where kid = $1 and state = 'next'";

const GIVE: &str = "insert into token_keys (kid, algorithm, public_key, state, published_at, signs_from)
     values ($1, $2, $3, 'current', $4, $4)
     on conflict (kid) do update
     set state = 'current', signs_from = excluded.signs_from, accepted_until = null, sealed_key = null
     where token_keys.state <> 'revoked'";

const ASK_ROTATION: &str = "update token_keys set rotation_asked = 1 where kid = $1 and state = 'current'";

const REVOKE: &str = "update token_keys
     set state = 'revoked', accepted_until = $2, sealed_key = null, rotation_asked = 0
     where kid = $1 and state <> 'revoked'";

/// Makes the next key the current one, if there is no current one.
const SUCCEED: &str = "update token_keys set state = 'current', signs_from = $1
     where state = 'next' and not exists (select 1 from token_keys where state = 'current')";

const REMOVE: &str = "delete from token_keys where kid = $1 and state = 'former' and accepted_until <= $2";

/// Notes that a kind was signed with until `$2`, unless that is known already.
const END_KIND: &str = "insert into token_kinds (kind, signed_until, accepted_for) values ($1, $2, $3)
     on conflict (kind) do update set signed_until = excluded.signed_until, accepted_for = excluded.accepted_for
     where token_kinds.signed_until is null";

/// Notes that a kind is signed with. Changes nothing if that is known already.
const BEGIN_KIND: &str = "insert into token_kinds (kind) values ($1)
     on conflict (kind) do update set signed_until = null, accepted_for = null
     where token_kinds.signed_until is not null";

const STILL_SIGNS: &str = "update token_kinds set signed_until = $2 where kind = $1 and signed_until < $2";

const REMOVE_KIND: &str = "delete from token_kinds where kind = $1 and signed_until + accepted_for <= $2";

/// Deletes all keys but the revoked ones, which must not come back.
const REMOVE_KEYS: &str = "delete from token_keys where state <> 'revoked'";

/// The statements of a change, in their order. The last one tells other processes.
pub(in crate::store) fn change(change: &KeyChange, told_until: OffsetDateTime) -> Vec<BoundStatement> {
    let mut statements = match change {
        KeyChange::Publish { key, sealed_key, at } => {
            let values =
                vec![key_id(key.id), text(key.algorithm.name()), text(&key.public_key), text(sealed_key), time(*at)];
            vec![decides(PUBLISH, values)]
        }
        KeyChange::Withdraw { id } => vec![decides(WITHDRAW, vec![key_id(*id)])],
        KeyChange::Promote { id, at, former_until } => {
            vec![also(RETIRE, vec![key_id(*id), time(*former_until)]), decides(PROMOTE, vec![key_id(*id), time(*at)])]
        }
        KeyChange::Give { key, at, former_until } => vec![
            also(WITHDRAW_ANY, vec![]),
            also(RETIRE, vec![key_id(key.id), time(*former_until)]),
            decides(GIVE, vec![key_id(key.id), text(key.algorithm.name()), text(&key.public_key), time(*at)]),
        ],
        KeyChange::AskRotation { id } => vec![decides(ASK_ROTATION, vec![key_id(*id)])],
        KeyChange::Revoke { id, at } => {
            vec![decides(REVOKE, vec![key_id(*id), time(*at)]), also(SUCCEED, vec![time(*at)])]
        }
        KeyChange::Remove { id, now } => vec![decides(REMOVE, vec![key_id(*id), time(*now)])],
        KeyChange::Switch { to, at, other_accepted_for } => {
            let accepted_for =
                other_accepted_for.map(|accepted_for| Value::Number(accepted_for.as_millis().try_into().ok()));
            let end = accepted_for.map(|accepted_for| also(END_KIND, vec![kind(to.other()), time(*at), accepted_for]));
            end.into_iter().chain([decides(BEGIN_KIND, vec![kind(*to)])]).collect()
        }
        KeyChange::StillSigns { kind: still, until } => {
            vec![decides(STILL_SIGNS, vec![kind(*still), time(*until)])]
        }
        KeyChange::RemoveKind { kind: gone, now } => {
            let keys = (*gone == TokenKind::Keys).then(|| also(REMOVE_KEYS, vec![]));
            [decides(REMOVE_KIND, vec![kind(*gone), time(*now)])].into_iter().chain(keys).collect()
        }
    };
    let told = vec![uuid(Uuid::nil()), number(0), time(told_until)];
    statements.push(also(revocations::INSERT_ACCOUNT, told));
    statements
}

fn key_id(id: KeyId) -> Value {
    text(&id.to_string())
}

fn kind(kind: TokenKind) -> Value {
    text(kind.as_str())
}
