-- How often signing in by a name, or proving a password within a session, failed since it last succeeded.

create table attempts (
    -- SHA-256 of what was tried, in hexadecimal: people type passwords into the field of the name
    key text not null,
    failures integer not null,
    last_failed_at integer not null,
    -- whose name it is; null when nobody has it. Without a foreign key: the count outlives the account
    account_id blob,
    constraint attempts_pkey primary key (key),
    constraint attempts_failures_check check (failures > 0)
) strict;

create index attempts_last_failed_at_idx on attempts (last_failed_at);
