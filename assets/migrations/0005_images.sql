-- Base images, and the copies of layers on the nodes. Sizes in bytes.

CREATE TABLE base_images (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,     -- also the layer's
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    name         TEXT NOT NULL,
    os_type      TEXT NOT NULL,
    md5          TEXT NOT NULL,            -- of the file as it was uploaded
    sha256       TEXT NOT NULL,            -- of the layer; empty while it is checked
    virtual_size INTEGER NOT NULL,
    disk_size    INTEGER NOT NULL,
    state        TEXT NOT NULL,            -- 'checking', 'ready', 'deleting'
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    UNIQUE (pool_id, name)
);

-- Where a layer (base image or template version) is, and how its copy goes.
CREATE TABLE layer_copies (
    layer    TEXT NOT NULL,                -- uuid
    node_id  INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    storage  TEXT NOT NULL,                -- path of the storage
    path     TEXT NOT NULL DEFAULT '',     -- of the file, as the node told it
    state    TEXT NOT NULL,                -- 'copying', 'ready', 'failed'
    progress INTEGER NOT NULL DEFAULT 0,   -- 0 to 100
    fault    TEXT,                         -- JSON
    PRIMARY KEY (layer, node_id)
) WITHOUT ROWID;
CREATE INDEX layer_copies_node ON layer_copies(node_id);
