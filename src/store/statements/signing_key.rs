//! The shared SQL of the table `signing_key`, which has at most one row.

/// Reads the digest of the secret that signs tokens.
pub(crate) const FIND: &str = "select digest from signing_key";

/// Stores the digest `$1`, unless another one than `$1` and `$2` is stored. Changes one row if it is stored now.
pub(crate) const SET: &str = "insert into signing_key (name, digest) values ('current', $1)
     on conflict (name) do update set digest = excluded.digest where signing_key.digest in ($1, $2)";
