-- What an account's owner is told of each session: when it was last given a token, and where the sign-in came from.

-- when its latest token was minted; written in batches, so some seconds late
alter table sessions add column last_token_at bigint not null default 0;
update sessions set last_token_at = created_at;

-- the user-agent of the sign-in, at most 200 characters
alter table sessions add column client_label text not null default '';
-- an IP address as text; null when the sign-in did not come by the network
alter table sessions add column client_address text;

-- For listing them, newest first, and still for the foreign key.
create index sessions_account_id_created_at_idx on sessions (account_id, created_at, id);
drop index sessions_account_id_idx;
