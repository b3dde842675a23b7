-- Public keys of users, and where they let them in.

CREATE TABLE ssh_keys (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    key         TEXT NOT NULL,             -- type and base64 body
    fingerprint TEXT NOT NULL,             -- SHA256:…
    created_at  INTEGER NOT NULL,
    UNIQUE (user_id, fingerprint)
);

-- A user signs in to a node as this system user, with each of their keys. What stands on the node follows.
CREATE TABLE ssh_grants (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    node_id     INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    system_user TEXT NOT NULL,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    UNIQUE (node_id, system_user, user_id)
);
CREATE INDEX ssh_grants_user ON ssh_grants(user_id);
