-- Second factors: what an account needs for a sign-in beside its password.

-- 1 if a right password is not enough to sign in
alter table accounts add column second_factor integer not null default 0;
-- how often the second factors were changed. A sign-in compares this count to notice that they changed meanwhile
alter table accounts add column factor_changes integer not null default 0;

-- The authenticator app of an account.
create table totp_secrets (
    account_id blob not null,
    -- the secret in use, encrypted; null until a code of the first one has confirmed it
    secret text,
    -- the latest step whose code was used. Codes of it and of earlier steps are refused
    last_step integer not null default 0,
    -- a secret that waits for the code that confirms it, encrypted, and when it was made
    pending text,
    pending_at integer,
    constraint totp_secrets_pkey primary key (account_id),
    constraint totp_secrets_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint totp_secrets_pending_check check ((pending is null) = (pending_at is null))
) strict;

-- The recovery codes that were not used yet.
create table recovery_codes (
    -- SHA-256 of the account's id and the code, in lower-case hexadecimal
    digest text not null,
    account_id blob not null,
    constraint recovery_codes_pkey primary key (digest),
    constraint recovery_codes_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade
) strict;

create index recovery_codes_account_id_idx on recovery_codes (account_id);

-- The tickets that have finished a sign-in and are not expired yet.
create table spent_tickets (
    id blob not null,
    expires_at integer not null,
    constraint spent_tickets_pkey primary key (id)
) strict;

create index spent_tickets_expires_at_idx on spent_tickets (expires_at);

-- There are more kinds of mail. SQLite changes no constraint, so the table is made anew.
create table outbox_new (
    id blob not null,
    kind text not null,
    -- an email address in the canonical form that Rust computed
    recipient text not null,
    -- whom or what it is about: an account or an invitation; nil when the recipient alone tells. Without a foreign key: it
    -- is looked up when the mail is sent
    subject blob not null,
    -- queued; done until nobody needs to know any more that one has just gone; dead when it was given up
    state text not null default 'queued',
    -- how often it was begun to be sent
    attempts integer not null default 0,
    queued_at integer not null,
    -- of a queued one: when it is tried next, or, while it is being sent, when whoever sends it has lost it; of the others:
    -- since when they are that
    due_at integer not null,
    -- when it was last asked for; written each time, so that asking always costs the same
    asked_at integer not null,
    -- why the last attempt failed
    cause text,
    constraint outbox_pkey primary key (id),
    constraint outbox_recipient_key unique (recipient, kind, subject),
    constraint outbox_kind_check check (
        kind in (
            'verify_email', 'reset_password', 'change_email', 'email_changed', 'password_changed', 'second_factor_added',
            'second_factor_removed', 'recovery_codes_made', 'recovery_codes_few', 'invitation'
        )
    ),
    constraint outbox_state_check check (state in ('queued', 'done', 'dead'))
) strict;

insert into outbox_new (id, kind, recipient, subject, state, attempts, queued_at, due_at, asked_at, cause)
select id, kind, recipient, subject, state, attempts, queued_at, due_at, asked_at, cause from outbox;
drop table outbox;
alter table outbox_new rename to outbox;

create index outbox_state_due_at_idx on outbox (state, due_at);
