-- Mail that waits to be sent, the one-time tokens in what was sent, and invitations to a firm.
--
-- The same as sqlite/, name by name. No secret is ever at rest: a token is made when its mail is sent.

-- One row a kind, recipient and subject.
create table outbox (
    id uuid not null,
    kind text not null,
    -- an email address in the canonical form that Rust computed
    recipient text not null,
    -- whom or what it is about: an account or an invitation; nil when the recipient alone tells. Without a foreign key: it
    -- is looked up when the mail is sent
    subject uuid not null,
    -- queued; done until nobody needs to know any more that one has just gone; dead when it was given up
    state text not null default 'queued',
    -- how often it was begun to be sent
    attempts bigint not null default 0,
    queued_at bigint not null,
    -- of a queued one: when it is tried next, or, while it is being sent, when whoever sends it has lost it; of the others:
    -- since when they are that
    due_at bigint not null,
    -- when it was last asked for; written each time, so that asking always costs the same
    asked_at bigint not null,
    -- why the last attempt failed
    cause text,
    constraint outbox_pkey primary key (id),
    constraint outbox_recipient_key unique (recipient, kind, subject),
    constraint outbox_kind_check check (
        kind in ('verify_email', 'reset_password', 'change_email', 'email_changed', 'password_changed', 'invitation')
    ),
    constraint outbox_state_check check (state in ('queued', 'done', 'dead'))
);

-- For whoever looks for work, and for forgetting.
create index outbox_state_due_at_idx on outbox (state, due_at);

-- Whom somebody without an account is invited by, to which firm and as what. Gone once it is accepted or taken back.
create table invitations (
    id uuid not null,
    firm_id uuid not null,
    -- in canonical form
    email text not null,
    role text not null,
    -- an account, which may be gone; null from the command line. Without a foreign key
    invited_by uuid,
    created_at bigint not null,
    expires_at bigint not null,
    constraint invitations_pkey primary key (id),
    -- a newer one takes the place of the one before
    constraint invitations_firm_id_key unique (firm_id, email),
    constraint invitations_firm_id_fkey foreign key (firm_id) references firms (id) on delete cascade,
    constraint invitations_role_check check (role in ('admin', 'user', 'viewer'))
);

create index invitations_firm_id_created_at_idx on invitations (firm_id, created_at, id);
create index invitations_expires_at_idx on invitations (expires_at);

-- What is known of a one-time token that was sent. Gone once it was used.
create table tickets (
    -- SHA-256 in lower-case hexadecimal
    digest text not null,
    purpose text not null,
    -- whose it is …
    account_id uuid,
    -- … or what it accepts
    invitation_id uuid,
    -- where it was sent, in canonical form
    email text not null,
    created_at bigint not null,
    expires_at bigint not null,
    constraint tickets_pkey primary key (digest),
    constraint tickets_account_id_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint tickets_invitation_id_fkey foreign key (invitation_id) references invitations (id) on delete cascade,
    constraint tickets_subject_check check (
        (purpose in ('verify_email', 'reset_password', 'change_email') and account_id is not null and invitation_id is null)
        or (purpose = 'invitation' and account_id is null and invitation_id is not null)
    )
);

create index tickets_account_id_idx on tickets (account_id);
create index tickets_invitation_id_idx on tickets (invitation_id);
create index tickets_expires_at_idx on tickets (expires_at);
