-- Which secret signs tokens: a server that has another one does not start, because it would refuse the tokens of the others.

create table signing_key (
    -- always 'current': there is one row
    name text not null,
    -- derived from the secret, which it does not tell
    digest text not null,
    constraint signing_key_pkey primary key (name),
    constraint signing_key_name_check check (name = 'current')
);
