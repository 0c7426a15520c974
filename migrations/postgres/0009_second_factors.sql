-- Second factors: what an account needs for a sign-in beside its password.

-- 1 if a right password is not enough to sign in
alter table accounts add column second_factor bigint not null default 0;
-- how often the second factors were changed. A sign-in compares this count to notice that they changed meanwhile
alter table accounts add column factor_changes bigint not null default 0;

-- The authenticator app of an account.
create table totp_secrets (
    account_id uuid not null,
    -- the secret in use, encrypted; null until a code of the first one has confirmed it
    secret text,
    -- the latest step whose code was used. Codes of it and of earlier steps are refused
    last_step bigint not null default 0,
    -- a secret that waits for the code that confirms it, encrypted, and when it was made
    pending text,
    pending_at bigint,
    constraint totp_secrets_pkey primary key (account_id),
    constraint totp_secrets_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint totp_secrets_pending_check check ((pending is null) = (pending_at is null))
);

-- The recovery codes that were not used yet.
create table recovery_codes (
    -- SHA-256 of the account's id and the code, in lower-case hexadecimal
    digest text not null,
    account_id uuid not null,
    constraint recovery_codes_pkey primary key (digest),
    constraint recovery_codes_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade
);

create index recovery_codes_account_id_idx on recovery_codes (account_id);

-- The tickets that have finished a sign-in and are not expired yet.
create table spent_tickets (
    id uuid not null,
    expires_at bigint not null,
    constraint spent_tickets_pkey primary key (id)
);

create index spent_tickets_expires_at_idx on spent_tickets (expires_at);

-- There are more kinds of mail.
alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (
    kind in (
        'verify_email', 'reset_password', 'change_email', 'email_changed', 'password_changed', 'second_factor_added',
        'second_factor_removed', 'recovery_codes_made', 'recovery_codes_few', 'invitation'
    )
);
