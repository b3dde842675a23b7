-- Pools, nodes and what is in a node.

CREATE TABLE installation (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    uuid       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE pools (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    desc       TEXT,
    is_default INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);

CREATE TABLE nodes (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    role         INTEGER NOT NULL,         -- 1 controller and compute … 5 compute (document 002 `type`)
    is_local     INTEGER NOT NULL,
    ip           TEXT NOT NULL,
    hostname     TEXT NOT NULL DEFAULT '',
    cpu_model    TEXT NOT NULL DEFAULT '',
    cpu_count    INTEGER NOT NULL DEFAULT 0,
    memory       INTEGER NOT NULL DEFAULT 0, -- bytes
    gpu          TEXT NOT NULL DEFAULT '',
    versions     TEXT NOT NULL DEFAULT '',   -- operating system, libvirt, QEMU
    virt_type    TEXT NOT NULL DEFAULT '',
    status       TEXT NOT NULL DEFAULT 'shutdown', -- 'active', 'error' (hypervisor down), 'shutdown' (link down)
    fault        TEXT,                       -- JSON, why it is not active
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER
);
CREATE INDEX nodes_pool ON nodes(pool_id);

CREATE TABLE nics (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    node_id    INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    mac        TEXT NOT NULL,
    speed      INTEGER NOT NULL,           -- Mbit/s, 0 unknown
    is_up      INTEGER NOT NULL,
    is_physical INTEGER NOT NULL,
    gateway    TEXT,
    dns        TEXT NOT NULL DEFAULT '',   -- separated by commas
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    UNIQUE (node_id, name)
);

CREATE TABLE nic_addresses (
    id        INTEGER PRIMARY KEY,
    uuid      TEXT NOT NULL UNIQUE,
    nic_id    INTEGER NOT NULL REFERENCES nics(id) ON DELETE CASCADE,
    address   TEXT NOT NULL,
    prefix    INTEGER NOT NULL,
    is_manage INTEGER NOT NULL DEFAULT 0,
    is_image  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (nic_id, address)
);

CREATE TABLE storages (
    id      INTEGER PRIMARY KEY,
    uuid    TEXT NOT NULL UNIQUE,
    node_id INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    path    TEXT NOT NULL,
    roles   TEXT NOT NULL,                 -- '1,2,3,4': template system, template data, desktop system, desktop data
    total   INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    UNIQUE (node_id, path)
);
