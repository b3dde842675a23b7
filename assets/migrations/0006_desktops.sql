-- Templates, education groups, desktop groups, desktops. Sizes in bytes.

CREATE TABLE templates (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,     -- also its domain's
    name         TEXT NOT NULL UNIQUE,
    desc         TEXT NOT NULL DEFAULT '',
    os_type      TEXT NOT NULL,
    classify     INTEGER NOT NULL,         -- 1 education, 2 personal
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    node_id      INTEGER NOT NULL REFERENCES nodes(id),
    network_id   INTEGER NOT NULL REFERENCES networks(id),
    subnet_id    INTEGER NOT NULL REFERENCES subnets(id),
    vcpu         INTEGER NOT NULL,
    memory_mib   INTEGER NOT NULL,
    base_image   TEXT NOT NULL REFERENCES base_images(uuid),
    version      INTEGER NOT NULL DEFAULT 0, -- newest saved one; 0 while it is being made
    state        TEXT NOT NULL,            -- 'creating', 'ready', 'updating', 'deleting', 'failed'
    fault        TEXT,                     -- JSON, why the last change of it failed
    editing      INTEGER NOT NULL DEFAULT 0, -- started for editing and not saved since
    changed      INTEGER NOT NULL DEFAULT 0, -- started since the last save, for whatever reason
    power        TEXT NOT NULL DEFAULT 'off', -- as the node reports it: 'off', 'running', 'paused', 'crashed'
    power_reason TEXT NOT NULL DEFAULT '',
    started_at   INTEGER,
    owner_name   TEXT NOT NULL,
    saved_at     INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER
);
CREATE INDEX templates_classify ON templates(classify, id);
CREATE INDEX templates_base ON templates(base_image);

CREATE TABLE template_disks (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    template_id INTEGER NOT NULL REFERENCES templates(id) ON DELETE CASCADE,
    role        TEXT NOT NULL,             -- 'system' or 'data'
    position    INTEGER NOT NULL,          -- 0 is vda
    size        INTEGER NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0,
    top         TEXT NOT NULL,             -- uuid of the layer that the template's own disk stands on
    UNIQUE (template_id, position)
);

-- The layers that a template's disks consist of. Every one was written here before its file was made,
-- and goes from here after its file is gone.
CREATE TABLE template_layers (
    uuid        TEXT PRIMARY KEY,
    template_id INTEGER NOT NULL REFERENCES templates(id),
    disk_id     INTEGER NOT NULL REFERENCES template_disks(id),
    version     INTEGER,                   -- null: a link of the chain that is no version's top
    below       TEXT,                      -- uuid of the layer under it: a base image or an earlier layer
    size        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (disk_id, version)
) WITHOUT ROWID;
CREATE INDEX template_layers_template ON template_layers(template_id, version);
CREATE INDEX template_layers_below ON template_layers(below);

-- Self-contained copies of a system disk, made to be downloaded once.
CREATE TABLE template_exports (
    uuid        TEXT PRIMARY KEY,          -- also the layer's
    template_id INTEGER NOT NULL REFERENCES templates(id),
    node_id     INTEGER NOT NULL REFERENCES nodes(id),
    storage     TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE education_groups (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    desc       TEXT NOT NULL DEFAULT '',
    network_id INTEGER NOT NULL REFERENCES networks(id),
    subnet_id  INTEGER NOT NULL REFERENCES subnets(id),
    start_ip   INTEGER NOT NULL,           -- range of terminal addresses
    end_ip     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);

CREATE TABLE desktop_groups (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    kind         INTEGER NOT NULL,         -- 1 education, 2 personal
    group_id     INTEGER REFERENCES education_groups(id),
    template_id  INTEGER NOT NULL REFERENCES templates(id),
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    network_id   INTEGER NOT NULL REFERENCES networks(id),
    subnet_id    INTEGER NOT NULL REFERENCES subnets(id),
    vcpu         INTEGER NOT NULL,
    memory_mib   INTEGER NOT NULL,
    sys_restore  INTEGER NOT NULL,
    data_restore INTEGER NOT NULL,
    prefix       TEXT NOT NULL,
    postfix      INTEGER NOT NULL,         -- digits
    first_number INTEGER NOT NULL,         -- of seat 1; seat n is named after first_number + n - 1
    is_active    INTEGER NOT NULL DEFAULT 0,
    order_num    INTEGER NOT NULL DEFAULT 99,
    state        TEXT NOT NULL,            -- 'creating', 'ready', 'deleting'
    owner_name   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER
);
CREATE INDEX desktop_groups_group ON desktop_groups(group_id);
CREATE INDEX desktop_groups_template ON desktop_groups(template_id);

CREATE TABLE desktops (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,     -- also its domain's
    name         TEXT NOT NULL,
    group_id     INTEGER NOT NULL REFERENCES desktop_groups(id),
    node_id      INTEGER NOT NULL REFERENCES nodes(id),
    seat         INTEGER NOT NULL,         -- its number in the group
    version      INTEGER NOT NULL,         -- template version that its disks stand on
    state        TEXT NOT NULL,            -- 'creating', 'ready', 'deleting'
    power        TEXT NOT NULL DEFAULT 'off', -- 'off', 'running', 'paused', 'crashed'
    power_reason TEXT NOT NULL DEFAULT '',
    started_at   INTEGER,                  -- last start; null: never
    fault        TEXT,                     -- JSON, why the last start failed
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    UNIQUE (group_id, name),
    UNIQUE (group_id, seat)
);
CREATE INDEX desktops_node ON desktops(node_id);
CREATE INDEX desktops_running ON desktops(group_id, power);
