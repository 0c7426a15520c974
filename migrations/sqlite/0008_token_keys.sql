-- The keys that sign tokens with an asymmetric algorithm, and which kinds of keys sign. Both tables are empty as long as
-- every server signs with the secret only.

create table token_keys (
    -- the thumbprint of the public key (RFC 7638), which tokens have as `kid`
    kid text not null,
    algorithm text not null,
    -- a JWK (RFC 7517)
    public_key text not null,
    -- the private key, encrypted; null if a file of the operator has it, and from the moment when it signs no longer
    sealed_key text,
    -- next: published, so that everybody knows it before it signs; current: signs; former: signs no longer, and is
    -- accepted until its last token has expired; revoked: accepted never again
    state text not null,
    published_at integer not null,
    signs_from integer,
    -- 1 if somebody asked that the next key takes its place as soon as that has been published for long enough
    rotation_asked integer not null default 0,
    -- of a former key: when it is forgotten; of a revoked one: when it was revoked
    accepted_until integer,
    constraint token_keys_pkey primary key (kid),
    constraint token_keys_algorithm_check check (algorithm in ('ES256', 'RS256', 'EdDSA')),
    constraint token_keys_state_check check (
        (state = 'next' and sealed_key is not null and signs_from is null and accepted_until is null)
        or (state = 'current' and signs_from is not null and accepted_until is null)
        or (state in ('former', 'revoked') and sealed_key is null and accepted_until is not null)
    )
) strict;

-- There is at most one next key, and at most one current key.
create unique index token_keys_state_idx on token_keys (state) where state in ('next', 'current');

create table token_kinds (
    -- secret: tokens of HS256; keys: tokens of the table above
    kind text not null,
    -- the time of the switch to the other kind: later tokens of this kind are refused. A server that still signs with it
    -- moves the time on. Null if servers sign with this kind
    signed_until integer,
    -- how much longer than that its tokens are accepted, in milliseconds: as long as one lives
    accepted_for integer,
    constraint token_kinds_pkey primary key (kind),
    constraint token_kinds_kind_check check (kind in ('secret', 'keys')),
    constraint token_kinds_signed_until_check check ((signed_until is null) = (accepted_for is null))
) strict;
