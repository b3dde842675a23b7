-- People and what they may do.

CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL UNIQUE COLLATE NOCASE,
    email               TEXT UNIQUE COLLATE NOCASE,
    full_name           TEXT NOT NULL DEFAULT '',
    password_hash       TEXT,              -- argon2id; null cannot sign in by password
    enabled             INTEGER NOT NULL DEFAULT 1,
    password_changed_at INTEGER,
    last_login_at       INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER
);

CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    PRIMARY KEY (user_id, role)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,     -- SHA-256 of a random token of 256 bits
    user_id      INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address      TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    slide        INTEGER NOT NULL DEFAULT 0, -- seconds from each use to the end; 0: the end stays
    last_seen_at INTEGER NOT NULL
);
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_end ON sessions(expires_at);

-- One row for each account and for each address that failed lately.
CREATE TABLE login_failures (
    subject      TEXT PRIMARY KEY,         -- 'user:<name>' or 'address:<ip>'
    failures     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- At most one row, while there is no administrator.
CREATE TABLE setup_links (
    token_hash BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
