-- What an account is besides its name and password.

-- when its owner proved that mail to the address arrives; null until then, and for usernames
alter table accounts add column email_verified_at integer;
-- 1 for who administers the whole service, made by the command line only
alter table accounts add column platform_admin integer not null default 0
    constraint accounts_platform_admin_check check (platform_admin in (0, 1));
-- how often another password was set (not: the same one hashed anew); a sign-in that began before loses
alter table accounts add column password_changes integer not null default 0;

-- `password_hash` may be empty now: an account without a password, until one is set by a reset or an administrator.
