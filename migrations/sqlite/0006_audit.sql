-- What happened: who did what, on whom, from where, and how it ended. Written once, read by administrators, and deleted when
-- it is older than AUDIT_RETENTION.

create table audit_events (
    id blob not null,
    at integer not null,
    -- its stable name
    action text not null,
    -- 'ok', or why not
    result text not null,
    -- The accounts, without foreign keys: this outlives what it speaks of.
    -- who; null for who is not signed in, the command line and the server
    actor_id blob,
    -- on whom
    account_id blob,
    -- the firm that it concerns, at that time
    firm_id blob,
    -- an IP address as text, 'command line' or 'server'
    origin text not null,
    request_id blob,
    -- the new role, the session …: never what somebody typed
    detail text not null,
    constraint audit_events_pkey primary key (id)
) strict;

-- For each question the newest first, and the oldest for those that are deleted.
create index audit_events_at_idx on audit_events (at, id);
create index audit_events_actor_id_idx on audit_events (actor_id, at, id) where actor_id is not null;
create index audit_events_account_id_idx on audit_events (account_id, at, id) where account_id is not null;
create index audit_events_firm_id_idx on audit_events (firm_id, at, id) where firm_id is not null;
create index audit_events_action_idx on audit_events (action, at, id);

create trigger audit_events_append_only before update on audit_events
begin
    select raise(abort, 'audit_events is append-only');
end;

-- What else administrators ask for, a page at a time: accounts and firms in the order in which they were made. (By the first
-- letters of a name, accounts are found by the constraints that keep names unique.)
create index accounts_created_at_idx on accounts (created_at, id);
create index accounts_inactive_idx on accounts (created_at, id) where status = 'inactive';
create index accounts_firm_id_created_at_idx on accounts (firm_id, created_at, id);
drop index accounts_firm_id_idx;
create index firms_created_at_idx on firms (created_at, id);
