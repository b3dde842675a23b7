-- One identity for every dialect: more about users, roles of one's own, groups, keys, second factor.

ALTER TABLE users ADD COLUMN lookalike TEXT;                       -- of the name, see the function of that name
ALTER TABLE users ADD COLUMN phone TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN department TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN awaits TEXT;                          -- 'mail' or 'administrator': registered, not confirmed
ALTER TABLE users ADD COLUMN force_reset INTEGER NOT NULL DEFAULT 0; -- a new password has to be chosen at sign-in
ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT 'local'; -- 'ldap' and 'oidc': who checks the password
ALTER TABLE users ADD COLUMN external_id TEXT;                     -- DN or subject there
ALTER TABLE users ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';  -- JSON, document 001's settings that were changed
-- Two names that are alike may be there from before; the later one keeps none and stays usable.
UPDATE OR IGNORE users SET lookalike = lookalike(name);
CREATE UNIQUE INDEX users_lookalike ON users(lookalike);
CREATE UNIQUE INDEX users_external ON users(source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_awaits ON users(awaits) WHERE awaits IS NOT NULL;

-- Built-in roles have their permissions in the program, so that an update brings them along.
CREATE TABLE roles (
    id          INTEGER PRIMARY KEY,
    code        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    builtin     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL DEFAULT 0
);
INSERT INTO roles (id, code, builtin) VALUES
    (1, 'admin', 1), (2, 'normal', 1), (3, 'operator', 1), (4, 'auditor', 1), (5, 'teacher', 1), (6, 'analyst', 1);

CREATE TABLE role_permissions (
    role_id    INTEGER NOT NULL REFERENCES roles(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
) WITHOUT ROWID;

ALTER TABLE user_roles RENAME TO user_roles_by_word;
CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role_id INTEGER NOT NULL REFERENCES roles(id),                 -- one in use is not deleted
    PRIMARY KEY (user_id, role_id)
) WITHOUT ROWID;
INSERT INTO user_roles (user_id, role_id)
    SELECT w.user_id, r.id FROM user_roles_by_word w JOIN roles r ON r.code = w.role;
DROP TABLE user_roles_by_word;
CREATE INDEX user_roles_role ON user_roles(role_id);

-- What a user may do beside the roles (document 004 gives permissions to users).
CREATE TABLE user_permissions (
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (user_id, permission)
) WITHOUT ROWID;

CREATE TABLE user_groups (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL
);
CREATE TABLE user_group_permissions (
    group_id   INTEGER NOT NULL REFERENCES user_groups(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (group_id, permission)
) WITHOUT ROWID;
CREATE TABLE user_group_members (
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    group_id   INTEGER NOT NULL REFERENCES user_groups(id) ON DELETE CASCADE,
    is_primary INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, group_id)
) WITHOUT ROWID;
CREATE INDEX user_group_members_group ON user_group_members(group_id);
CREATE UNIQUE INDEX user_group_members_primary ON user_group_members(user_id) WHERE is_primary = 1;

ALTER TABLE sessions ADD COLUMN uuid TEXT;                         -- names a session to people
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
UPDATE sessions SET uuid = lower(hex(randomblob(16)));
CREATE UNIQUE INDEX sessions_uuid ON sessions(uuid);

-- Between a right password and the new one that has to be chosen.
CREATE TABLE password_resets (
    token_hash BLOB PRIMARY KEY,                                   -- SHA-256, as all tokens here
    code_hash  BLOB NOT NULL,
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    remembered INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- E-mail addresses to be confirmed by the link that was sent there.
CREATE TABLE mail_confirmations (
    token_hash BLOB PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX mail_confirmations_user ON mail_confirmations(user_id);
-- Registered accounts whose mail with that link is not known to be sent: after a crash it is sent again.
CREATE TABLE mail_outbox (
    user_id  INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    language TEXT NOT NULL
);

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,                                 -- <name in lower case>_<n>, document 001
    user_id      INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    key_hash     BLOB NOT NULL UNIQUE,
    groups       TEXT NOT NULL DEFAULT '[]',                       -- JSON, the owner's when it was made
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    last_used_ip TEXT
);
CREATE INDEX api_keys_user ON api_keys(user_id, created_at);
CREATE TABLE api_key_permissions (
    key_id     TEXT NOT NULL REFERENCES api_keys(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (key_id, permission)
) WITHOUT ROWID;

CREATE TABLE second_factors (
    user_id      INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    secret       BLOB NOT NULL,                                    -- sealed with the key file, useless in a copy of the database
    confirmed_at INTEGER,                                          -- null while it is being set up
    last_step    INTEGER NOT NULL DEFAULT 0                        -- a code is good once
);
CREATE TABLE recovery_codes (
    user_id   INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) WITHOUT ROWID;

-- Addresses from which an account signed in: whoever guesses elsewhere does not lock it for them.
CREATE TABLE known_addresses (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) WITHOUT ROWID;

-- What an administrator changed of the rules of signing in; at most one row.
CREATE TABLE sign_in_policy (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL                                            -- JSON
);

CREATE INDEX audit_at ON audit(at, id);
