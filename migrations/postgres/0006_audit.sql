-- What happened: who did what, on whom, from where, and how it ended. Written once, read by administrators, and deleted when
-- it is older than AUDIT_RETENTION.

create table audit_events (
    id uuid not null,
    at bigint not null,
    -- its stable name
    action text not null,
    -- 'ok', or why not
    result text not null,
    -- The accounts, without foreign keys: this outlives what it speaks of.
    -- who; null for who is not signed in, the command line and the server
    actor_id uuid,
    -- on whom
    account_id uuid,
    -- the firm that it concerns, at that time
    firm_id uuid,
    -- an IP address as text, 'command line' or 'server'
    origin text not null,
    request_id uuid,
    -- the new role, the session …: never what somebody typed
    detail text not null,
    constraint audit_events_pkey primary key (id)
);

-- For each question the newest first, and the oldest for those that are deleted.
create index audit_events_at_idx on audit_events (at, id);
create index audit_events_actor_id_idx on audit_events (actor_id, at, id) where actor_id is not null;
create index audit_events_account_id_idx on audit_events (account_id, at, id) where account_id is not null;
create index audit_events_firm_id_idx on audit_events (firm_id, at, id) where firm_id is not null;
create index audit_events_action_idx on audit_events (action, at, id);

create function audit_events_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit_events is append-only';
end
$$;

create trigger audit_events_append_only before update or truncate on audit_events
    for each statement execute function audit_events_append_only();

-- What else administrators ask for, a page at a time: accounts and firms in the order in which they were made.
create index accounts_created_at_idx on accounts (created_at, id);
create index accounts_inactive_idx on accounts (created_at, id) where status = 'inactive';
create index accounts_firm_id_created_at_idx on accounts (firm_id, created_at, id);
drop index accounts_firm_id_idx;
create index firms_created_at_idx on firms (created_at, id);
-- By the first letters of a name, whatever the collation of the database; SQLite's unique constraints do as well.
create index accounts_username_prefix_idx on accounts (username collate "C");
create index accounts_email_prefix_idx on accounts (email collate "C");
