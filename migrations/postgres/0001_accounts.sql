-- Accounts, the firms that email accounts belong to, their sessions, and the sessions that ended early.
--
-- The same as sqlite/, name by name. Times are milliseconds since the Unix epoch. Every text that is unique is in the
-- canonical form that Rust computed: no collation and no lower() decides anything here.

create table firms (
    id uuid not null,
    name text not null,
    created_at bigint not null,
    constraint firms_pkey primary key (id)
);

create table accounts (
    id uuid not null,
    username text,
    email text,
    name text,
    firm_id uuid,
    role text,
    -- PHC string
    password_hash text not null,
    status text not null default 'active',
    -- how often all sessions were ended at once; a token of an earlier epoch is dead
    epoch bigint not null default 0,
    created_at bigint not null,
    constraint accounts_pkey primary key (id),
    constraint accounts_username_key unique (username),
    constraint accounts_email_key unique (email),
    constraint accounts_firm_id_fkey foreign key (firm_id) references firms (id),
    constraint accounts_status_check check (status in ('active', 'inactive')),
    -- an account is of exactly one kind
    constraint accounts_identity_check check (
        (username is not null
            and email is null and name is null and firm_id is null and role is null)
        or (username is null
            and email is not null and name is not null and firm_id is not null and role in ('admin', 'user', 'viewer'))
    )
);

create index accounts_firm_id_idx on accounts (firm_id);

-- One row a sign-in. Gone once the last token that can slide from it has expired.
create table sessions (
    id uuid not null,
    account_id uuid not null,
    epoch bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    -- milliseconds
    token_lifetime bigint not null,
    constraint sessions_pkey primary key (id),
    constraint sessions_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade
);

create index sessions_account_id_idx on sessions (account_id);
create index sessions_expires_at_idx on sessions (expires_at);

-- What must be refused although its token has not expired. Without foreign keys: it outlives what it speaks of.
create table revocations (
    -- in the order of commits (whoever inserts holds an advisory lock); never reused, so that a reader can ask for what
    -- is new
    seq bigint generated always as identity not null,
    -- the one session that ended …
    session_id uuid,
    -- … or the account of which all sessions before an epoch did
    account_id uuid,
    epoch bigint,
    -- when the last token concerned has expired by itself
    expires_at bigint not null,
    constraint revocations_pkey primary key (seq),
    constraint revocations_target_check check (
        (session_id is not null and account_id is null and epoch is null)
        or (session_id is null and account_id is not null and epoch is not null)
    )
);

create index revocations_expires_at_idx on revocations (expires_at);
