-- Uploads of base images and ISOs that come in parts. One that is whole stays for a while after it was added, so that
-- who missed the answer hears of it.
CREATE TABLE uploads (
    uuid        TEXT PRIMARY KEY,               -- also that of the image to be
    user_id     INTEGER REFERENCES users(id) ON DELETE SET NULL,
    kind        TEXT NOT NULL,                  -- 'base' or 'iso'
    pool        TEXT,                           -- of a base image: the uuid of its pool
    iso_type    INTEGER,                        -- of an ISO: 1 software, 2 tools, 3 operating system
    name        TEXT NOT NULL,
    os_type     TEXT NOT NULL,
    disk        INTEGER,                        -- of an OVA: which of its disks, from 1
    metadata    TEXT NOT NULL,                  -- as the client sent it, and gets it back
    size        INTEGER NOT NULL,               -- bytes, announced
    received    INTEGER NOT NULL DEFAULT 0,     -- for lists; what counts is the length of the file
    node_id     INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    storage     TEXT NOT NULL,
    is_added    INTEGER NOT NULL DEFAULT 0,     -- whole, and an image or about to be one
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
);
CREATE INDEX uploads_by_user ON uploads(user_id);
CREATE INDEX uploads_by_expiry ON uploads(expires_at);
