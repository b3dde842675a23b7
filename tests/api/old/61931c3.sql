-- A database as Carrel of 61931c3 kept it (user_version 10), with rows in every table.
-- @DATA@ is the data directory, @NOW@ the time in Unix seconds at which it is read.

CREATE TABLE operations (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    subject_name TEXT NOT NULL,
    args         TEXT NOT NULL,
    locks        TEXT NOT NULL,
    state        TEXT NOT NULL,
    step         INTEGER NOT NULL DEFAULT 0,
    done         INTEGER NOT NULL DEFAULT 0,
    total        INTEGER NOT NULL DEFAULT 0,
    cancel       INTEGER NOT NULL DEFAULT 0,
    fault        TEXT,
    items        TEXT NOT NULL DEFAULT '[]',
    owner_id     INTEGER,
    owner_name   TEXT NOT NULL,
    run_at       INTEGER,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER
, owner_address TEXT, request_id TEXT NOT NULL DEFAULT '');
CREATE INDEX operations_open ON operations(state) WHERE finished_at IS NULL;
CREATE INDEX operations_subject ON operations(subject, id);
CREATE TABLE operation_locks (
    subject      TEXT PRIMARY KEY,
    operation_id INTEGER NOT NULL REFERENCES operations(id) ON DELETE CASCADE
);
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    user_id    INTEGER,
    user_name  TEXT NOT NULL,
    user_ip    TEXT,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    module     TEXT NOT NULL,
    fault      TEXT,
    request_id TEXT NOT NULL
);
CREATE INDEX audit_module ON audit(module, id);
CREATE INDEX audit_user ON audit(user_name, id);
CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    uuid                TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL UNIQUE COLLATE NOCASE,
    email               TEXT UNIQUE COLLATE NOCASE,
    full_name           TEXT NOT NULL DEFAULT '',
    password_hash       TEXT,
    enabled             INTEGER NOT NULL DEFAULT 1,
    password_changed_at INTEGER,
    last_login_at       INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER
, lookalike TEXT, phone TEXT NOT NULL DEFAULT '', department TEXT NOT NULL DEFAULT '', awaits TEXT, force_reset INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL DEFAULT 'local', external_id TEXT, settings TEXT NOT NULL DEFAULT '{}');
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address      TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    slide        INTEGER NOT NULL DEFAULT 0,
    last_seen_at INTEGER NOT NULL
, uuid TEXT, user_agent TEXT NOT NULL DEFAULT '');
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_end ON sessions(expires_at);
CREATE TABLE login_failures (
    subject      TEXT PRIMARY KEY,
    failures     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE setup_links (
    token_hash BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
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
    role         INTEGER NOT NULL,
    is_local     INTEGER NOT NULL,
    ip           TEXT NOT NULL,
    hostname     TEXT NOT NULL DEFAULT '',
    cpu_model    TEXT NOT NULL DEFAULT '',
    cpu_count    INTEGER NOT NULL DEFAULT 0,
    memory       INTEGER NOT NULL DEFAULT 0,
    gpu          TEXT NOT NULL DEFAULT '',
    versions     TEXT NOT NULL DEFAULT '',
    virt_type    TEXT NOT NULL DEFAULT '',
    status       TEXT NOT NULL DEFAULT 'shutdown',
    fault        TEXT,
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
    speed      INTEGER NOT NULL,
    is_up      INTEGER NOT NULL,
    is_physical INTEGER NOT NULL,
    gateway    TEXT,
    dns        TEXT NOT NULL DEFAULT '',
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
    roles   TEXT NOT NULL,
    total   INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    UNIQUE (node_id, path)
);
CREATE TABLE switches (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    desc       TEXT,
    is_default INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);
CREATE TABLE networks (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    desc       TEXT,
    switch_id  INTEGER NOT NULL REFERENCES switches(id),
    vlan       INTEGER,
    is_default INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);
CREATE INDEX networks_switch ON networks(switch_id);
CREATE TABLE subnets (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    network_id INTEGER NOT NULL REFERENCES networks(id),
    name       TEXT NOT NULL,
    start_ip   INTEGER NOT NULL,
    end_ip     INTEGER NOT NULL,
    prefix     INTEGER NOT NULL,
    gateway    INTEGER NOT NULL,
    dns1       TEXT NOT NULL,
    dns2       TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    UNIQUE (network_id, name)
);
CREATE TABLE addresses (
    network_id INTEGER NOT NULL REFERENCES networks(id),
    address    INTEGER NOT NULL,
    subnet_id  INTEGER NOT NULL REFERENCES subnets(id),
    mac        TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL UNIQUE,
    PRIMARY KEY (network_id, address)
) WITHOUT ROWID;
CREATE INDEX addresses_subnet ON addresses(subnet_id);
CREATE TABLE base_images (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    name         TEXT NOT NULL,
    os_type      TEXT NOT NULL,
    md5          TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    virtual_size INTEGER NOT NULL,
    disk_size    INTEGER NOT NULL,
    state        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    UNIQUE (pool_id, name)
);
CREATE TABLE layer_copies (
    layer    TEXT NOT NULL,
    node_id  INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    storage  TEXT NOT NULL,
    path     TEXT NOT NULL DEFAULT '',
    state    TEXT NOT NULL,
    progress INTEGER NOT NULL DEFAULT 0,
    fault    TEXT,
    PRIMARY KEY (layer, node_id)
) WITHOUT ROWID;
CREATE INDEX layer_copies_node ON layer_copies(node_id);
CREATE TABLE templates (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    desc         TEXT NOT NULL DEFAULT '',
    os_type      TEXT NOT NULL,
    classify     INTEGER NOT NULL,
    pool_id      INTEGER NOT NULL REFERENCES pools(id),
    node_id      INTEGER NOT NULL REFERENCES nodes(id),
    network_id   INTEGER NOT NULL REFERENCES networks(id),
    subnet_id    INTEGER NOT NULL REFERENCES subnets(id),
    vcpu         INTEGER NOT NULL,
    memory_mib   INTEGER NOT NULL,
    base_image   TEXT NOT NULL REFERENCES base_images(uuid),
    version      INTEGER NOT NULL DEFAULT 0,
    state        TEXT NOT NULL,
    fault        TEXT,
    editing      INTEGER NOT NULL DEFAULT 0,
    changed      INTEGER NOT NULL DEFAULT 0,
    power        TEXT NOT NULL DEFAULT 'off',
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
    role        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0,
    top         TEXT NOT NULL,
    UNIQUE (template_id, position)
);
CREATE TABLE template_layers (
    uuid        TEXT PRIMARY KEY,
    template_id INTEGER NOT NULL REFERENCES templates(id),
    disk_id     INTEGER NOT NULL REFERENCES template_disks(id),
    version     INTEGER,
    below       TEXT,
    size        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (disk_id, version)
) WITHOUT ROWID;
CREATE INDEX template_layers_template ON template_layers(template_id, version);
CREATE INDEX template_layers_below ON template_layers(below);
CREATE TABLE template_exports (
    uuid        TEXT PRIMARY KEY,
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
    start_ip   INTEGER NOT NULL,
    end_ip     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);
CREATE TABLE desktop_groups (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    kind         INTEGER NOT NULL,
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
    postfix      INTEGER NOT NULL,
    first_number INTEGER NOT NULL,
    is_active    INTEGER NOT NULL DEFAULT 0,
    order_num    INTEGER NOT NULL DEFAULT 99,
    state        TEXT NOT NULL,
    owner_name   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER
);
CREATE INDEX desktop_groups_group ON desktop_groups(group_id);
CREATE INDEX desktop_groups_template ON desktop_groups(template_id);
CREATE TABLE desktops (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    group_id     INTEGER NOT NULL REFERENCES desktop_groups(id),
    node_id      INTEGER NOT NULL REFERENCES nodes(id),
    seat         INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    power        TEXT NOT NULL DEFAULT 'off',
    power_reason TEXT NOT NULL DEFAULT '',
    started_at   INTEGER,
    fault        TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    UNIQUE (group_id, name),
    UNIQUE (group_id, seat)
);
CREATE INDEX desktops_node ON desktops(node_id);
CREATE INDEX desktops_running ON desktops(group_id, power);
CREATE INDEX audit_request ON audit(request_id);
CREATE UNIQUE INDEX users_lookalike ON users(lookalike);
CREATE UNIQUE INDEX users_external ON users(source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_awaits ON users(awaits) WHERE awaits IS NOT NULL;
CREATE TABLE roles (
    id          INTEGER PRIMARY KEY,
    code        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    builtin     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE role_permissions (
    role_id    INTEGER NOT NULL REFERENCES roles(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
) WITHOUT ROWID;
CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role_id INTEGER NOT NULL REFERENCES roles(id),
    PRIMARY KEY (user_id, role_id)
) WITHOUT ROWID;
CREATE INDEX user_roles_role ON user_roles(role_id);
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
CREATE UNIQUE INDEX sessions_uuid ON sessions(uuid);
CREATE TABLE password_resets (
    token_hash BLOB PRIMARY KEY,
    code_hash  BLOB NOT NULL,
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    remembered INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE mail_confirmations (
    token_hash BLOB PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    email      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mail_confirmations_user ON mail_confirmations(user_id);
CREATE TABLE mail_outbox (
    user_id  INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    language TEXT NOT NULL
);
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    key_hash     BLOB NOT NULL UNIQUE,
    groups       TEXT NOT NULL DEFAULT '[]',
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
    secret       BLOB NOT NULL,
    confirmed_at INTEGER,
    last_step    INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE recovery_codes (
    user_id   INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) WITHOUT ROWID;
CREATE TABLE known_addresses (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) WITHOUT ROWID;
CREATE TABLE sign_in_policy (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL
);
CREATE INDEX audit_at ON audit(at, id);
CREATE TABLE ssh_keys (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (user_id, fingerprint)
);
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
CREATE TABLE restored_nodes (
    node_id     INTEGER PRIMARY KEY REFERENCES nodes(id) ON DELETE CASCADE,
    restored_at INTEGER NOT NULL
);

BEGIN;
INSERT INTO installation (id, uuid, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000001', @NOW@-900000);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (1, 'admin', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (2, 'normal', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (3, 'operator', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (4, 'auditor', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (5, 'teacher', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (6, 'analyst', '', 1, 0);
INSERT INTO roles (id, code, description, builtin, created_at) VALUES (7, 'helper', 'Helps in the computer rooms', 0, @NOW@-800000);
INSERT INTO role_permissions (role_id, permission) VALUES (7, 'desktops.power');
INSERT INTO role_permissions (role_id, permission) VALUES (7, 'desktops.view');
INSERT INTO users (id, uuid, name, lookalike, email, full_name, password_hash, created_at, settings, password_changed_at, last_login_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000011', 'admin', 'adrnin', 'admin@example.org', 'Admin', '$argon2id$v=19$m=19456,t=2,p=1$WU/ikqxmfBzphYxcuuDDqQ$x1XLhY+gAhCvimKwuMoytoedSIuBY98PkGgSaCLrvFU', @NOW@-899999, '{"show_ids":false}', @NOW@-900000, @NOW@-7200);
INSERT INTO users (id, uuid, name, lookalike, email, full_name, password_hash, created_at, settings, phone, department, password_changed_at) VALUES (2, '5f0c9a10-0000-4000-8000-000000000012', 'helga', 'helga', 'helga@example.org', 'Helga', '$argon2id$v=19$m=19456,t=2,p=1$WU/ikqxmfBzphYxcuuDDqQ$x1XLhY+gAhCvimKwuMoytoedSIuBY98PkGgSaCLrvFU', @NOW@-899998, '{}', '+49 30 1234', 'Library', @NOW@-800000);
INSERT INTO users (id, uuid, name, lookalike, email, full_name, password_hash, created_at, settings, awaits, enabled) VALUES (3, '5f0c9a10-0000-4000-8000-000000000013', 'newcomer', 'newcorner', 'newcomer@example.org', 'Newcomer', '$argon2id$v=19$m=19456,t=2,p=1$WU/ikqxmfBzphYxcuuDDqQ$x1XLhY+gAhCvimKwuMoytoedSIuBY98PkGgSaCLrvFU', @NOW@-899997, '{}', 'mail', 1);
INSERT INTO user_roles (user_id, role_id) VALUES (1, 1);
INSERT INTO user_roles (user_id, role_id) VALUES (2, 7);
INSERT INTO user_permissions (user_id, permission) VALUES (2, 'images.view');
INSERT INTO user_groups (id, uuid, name, description, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000021', 'library', 'People of the library', @NOW@-800000);
INSERT INTO user_group_permissions (group_id, permission) VALUES (1, 'overview.view');
INSERT INTO user_group_members (user_id, group_id, is_primary) VALUES (2, 1, 1);
INSERT INTO sessions (id, token_hash, user_id, address, created_at, expires_at, slide, last_seen_at, uuid, user_agent) VALUES (1, X'ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb', 1, '192.0.2.7', @NOW@-7200, @NOW@+70000, 0, @NOW@-60, '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f', 'Firefox');
INSERT INTO login_failures (subject, failures, last_at, locked_until) VALUES ('user:helga', 1, @NOW@-3600, 0);
INSERT INTO setup_links (token_hash, created_at) VALUES (X'56fc30b05846eff32ac6a15561c1409037de6bbf3c085325fad91036d01bb7fc', @NOW@-900000);
INSERT INTO password_resets (token_hash, code_hash, user_id, remembered, expires_at) VALUES (X'01be30bb4a27765c37462e6bf2a0bf8b6c109f9be9d81e6fd56455db1a736a43', X'5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b', 2, 0, @NOW@+600);
INSERT INTO mail_confirmations (token_hash, user_id, email, expires_at) VALUES (X'00d8d3f11739d2f3537099982b4674c29fc59a8fda350fca1379613adbb09119', 3, 'newcomer@example.org', @NOW@+80000);
INSERT INTO mail_outbox (user_id, language) VALUES (3, 'en');
INSERT INTO api_keys (id, user_id, name, key_hash, groups, created_at, last_used_at, last_used_ip) VALUES ('backup_0', 1, 'Backup', X'a0fab1377f49a759b57f63318262ebe89fabfc990e8e93ceac2984561482b9d4', '[]', @NOW@-700000, @NOW@-9000, '192.0.2.8');
INSERT INTO api_key_permissions (key_id, permission) VALUES ('backup_0', 'files.upload');
INSERT INTO second_factors (user_id, secret, confirmed_at, last_step) VALUES (2, X'c9d0036bed6744bcdf692fc980d8717d7e5f5a4f4e8266b4a84982602fb1cd0941a093100bbbb59e31dcc91a581495871ac485e07deda57bf878353cc5aae6db', @NOW@-600000, 59000000);
INSERT INTO recovery_codes (user_id, code_hash) VALUES (2, X'8c585378513f5f7a2e1456ee54042605fdb890392becefadd2ab180fd02fb341');
INSERT INTO known_addresses (user_id, address, last_at) VALUES (1, '192.0.2.7', @NOW@-7200);
INSERT INTO sign_in_policy (id, value) VALUES (1, '{"password_min_length":10,"password_strength":1,"session_minutes":90,"remembered_days":30,"free_failures":2,"longest_wait_minutes":15,"registration":false}');
INSERT INTO pools (id, uuid, name, desc, is_default, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000031', 'default', '', 1, @NOW@-900000);
INSERT INTO nodes (id, uuid, name, pool_id, role, is_local, ip, hostname, cpu_model, cpu_count, memory, versions, virt_type, status, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000032', 'node1', 1, 1, 1, '127.0.0.1', 'node1', 'i686', 16, 3221225472, 'Debian 12, libvirt 9.0.0', 'test', 'active', @NOW@-900000);
INSERT INTO nics (id, uuid, node_id, name, mac, speed, is_up, is_physical, gateway, dns, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000033', 1, 'eth0', '52:54:00:00:00:01', 1000, 1, 1, '192.0.2.1', '192.0.2.1', @NOW@-900000);
INSERT INTO nic_addresses (id, uuid, nic_id, address, prefix, is_manage, is_image) VALUES (1, '5f0c9a10-0000-4000-8000-000000000034', 1, '192.0.2.2', 24, 1, 1);
INSERT INTO storages (id, uuid, node_id, path, roles, total, used) VALUES (1, '5f0c9a10-0000-4000-8000-000000000035', 1, '@DATA@/storage', '1,2,3,4', 107374182400, 9663676416);
INSERT INTO restored_nodes (node_id, restored_at) VALUES (1, @NOW@-100);
INSERT INTO ssh_keys (id, uuid, user_id, name, key, fingerprint, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000036', 2, 'laptop', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFt0cjVxW3ZyM2p0ZXN0a2V5b2YxMjM0NTY3ODkwYWJj', 'SHA256:fNnb/hjEXE88grDuw7bDVH+vOUXQwbCRUkdHbvyZTfM', @NOW@-500000);
INSERT INTO ssh_grants (id, uuid, node_id, system_user, user_id, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000037', 1, 'carrel-nobody-here', 2, @NOW@-500000);
INSERT INTO switches (id, uuid, name, kind, desc, is_default, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000041', 'default', 'nat', '', 1, @NOW@-900000);
INSERT INTO networks (id, uuid, name, desc, switch_id, vlan, is_default, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000042', 'default', '', 1, NULL, 1, @NOW@-900000);
INSERT INTO subnets (id, uuid, network_id, name, start_ip, end_ip, prefix, gateway, dns1, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000043', 1, 'tests', 172097556, 172097755, 24, 172097537, '10.66.0.1', @NOW@-900000);
INSERT INTO addresses (network_id, address, subnet_id, mac, owner) VALUES (1, 172097556, 1, '52:54:00:0a:00:14', '5f0c9a10-0000-4000-8000-000000000061');
INSERT INTO addresses (network_id, address, subnet_id, mac, owner) VALUES (1, 172097557, 1, '52:54:00:0a:00:15', '5f0c9a10-0000-4000-8000-000000000071');
INSERT INTO addresses (network_id, address, subnet_id, mac, owner) VALUES (1, 172097558, 1, '52:54:00:0a:00:16', '5f0c9a10-0000-4000-8000-000000000072');
INSERT INTO base_images (id, uuid, pool_id, name, os_type, md5, sha256, virtual_size, disk_size, state, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000051', 1, 'small', 'linux', 'eb5c1399a871211c7e7ed732d15e3a8b', '81db8ebbbbc69c6c6ad4a6aa92b76e0c08af547da236b9e2c9dbe1d8285a8130', 1048576, 196624, 'ready', @NOW@-90000);
INSERT INTO base_images (id, uuid, pool_id, name, os_type, md5, sha256, virtual_size, disk_size, state, created_at) VALUES (2, '5f0c9a10-0000-4000-8000-000000000052', 1, 'broken', 'linux', '54ddc3c7d064822eed932015d8740336', '', 1048576, 196624, 'checking', @NOW@-90000);
INSERT INTO layer_copies (layer, node_id, storage, path, state, progress) VALUES ('5f0c9a10-0000-4000-8000-000000000051', 1, '@DATA@/storage', '@DATA@/storage/base/5f0c9a10-0000-4000-8000-000000000051.qcow2', 'ready', 100);
INSERT INTO layer_copies (layer, node_id, storage, path, state, progress, fault) VALUES ('5f0c9a10-0000-4000-8000-000000000052', 1, '@DATA@/storage', '', 'failed', 40, '{"kind":"NoRoom","key":"storage-full","args":[["storage","@DATA@/storage"],["needed","1 GiB"],["free","0 B"],["reserve","2 GiB"]],"detail":"no space left on device"}');
INSERT INTO layer_copies (layer, node_id, storage, path, state, progress) VALUES ('5f0c9a10-0000-4000-8000-000000000063', 1, '@DATA@/storage', '@DATA@/storage/templates/5f0c9a10-0000-4000-8000-000000000063.qcow2', 'ready', 100);
INSERT INTO layer_copies (layer, node_id, storage, path, state, progress) VALUES ('5f0c9a10-0000-4000-8000-000000000064', 1, '@DATA@/storage', '@DATA@/storage/templates/5f0c9a10-0000-4000-8000-000000000064.qcow2', 'ready', 100);
INSERT INTO templates (id, uuid, name, os_type, classify, pool_id, node_id, network_id, subnet_id, vcpu, memory_mib, base_image, version, state, owner_name, saved_at, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000061', 'plain', 'linux', 1, 1, 1, 1, 1, 1, 80, '5f0c9a10-0000-4000-8000-000000000051', 1, 'ready', 'admin', @NOW@-80000, @NOW@-80000);
INSERT INTO template_disks (id, uuid, template_id, role, position, size, used, top) VALUES (1, '5f0c9a10-0000-4000-8000-000000000062', 1, 'system', 0, 1073741824, 196624, '5f0c9a10-0000-4000-8000-000000000063');
INSERT INTO template_layers (uuid, template_id, disk_id, version, below, size, created_at) VALUES ('5f0c9a10-0000-4000-8000-000000000063', 1, 1, 1, '5f0c9a10-0000-4000-8000-000000000051', 1073741824, @NOW@-80000);
INSERT INTO template_exports (uuid, template_id, node_id, storage, created_at) VALUES ('5f0c9a10-0000-4000-8000-000000000064', 1, 1, '@DATA@/storage', @NOW@-70000);
INSERT INTO education_groups (id, uuid, name, network_id, subnet_id, start_ip, end_ip, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000065', 'room', 1, 1, 3221225994, 3221226184, @NOW@-80000);
INSERT INTO desktop_groups (id, uuid, name, kind, group_id, template_id, pool_id, network_id, subnet_id, vcpu, memory_mib, sys_restore, data_restore, prefix, postfix, first_number, is_active, state, owner_name, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000066', 'pc', 1, 1, 1, 1, 1, 1, 1, 80, 1, 1, 'pc', 3, 1, 0, 'ready', 'admin', @NOW@-70000);
INSERT INTO desktop_groups (id, uuid, name, kind, group_id, template_id, pool_id, network_id, subnet_id, vcpu, memory_mib, sys_restore, data_restore, prefix, postfix, first_number, is_active, state, owner_name, created_at) VALUES (2, '5f0c9a10-0000-4000-8000-000000000067', 'own', 2, NULL, 1, 1, 1, 1, 1, 80, 1, 1, 'own', 3, 1, 0, 'ready', 'admin', @NOW@-70000);
INSERT INTO desktops (id, uuid, name, group_id, node_id, seat, version, state, created_at) VALUES (1, '5f0c9a10-0000-4000-8000-000000000071', 'pc001', 1, 1, 1, 1, 'ready', @NOW@-70000);
INSERT INTO desktops (id, uuid, name, group_id, node_id, seat, version, state, created_at) VALUES (2, '5f0c9a10-0000-4000-8000-000000000072', 'own001', 2, 1, 1, 1, 'ready', @NOW@-70000);
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (1, '5f0c9a10-0000-4000-8000-000000000081', 'image-add', '5f0c9a10-0000-4000-8000-000000000051', 'small', '{"image":"5f0c9a10-0000-4000-8000-000000000051","node_id":1,"storage":"@DATA@/storage","sha256":null}', '["5f0c9a10-0000-4000-8000-000000000051"]', 'succeeded', 3, 1, 1, NULL, '[]', 1, 'admin', NULL, @NOW@-999, @NOW@-900, '192.0.2.7', 'request-1');
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (2, '5f0c9a10-0000-4000-8000-000000000082', 'template-save', '5f0c9a10-0000-4000-8000-000000000061', 'plain', '{"template":"5f0c9a10-0000-4000-8000-000000000061"}', '["5f0c9a10-0000-4000-8000-000000000061"]', 'scheduled', 0, 0, 1, NULL, '[]', 1, 'admin', @NOW@+86400, @NOW@-998, NULL, '192.0.2.7', 'request-2');
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (3, '5f0c9a10-0000-4000-8000-000000000083', 'desktops-start', '5f0c9a10-0000-4000-8000-000000000071', 'pc001', '{"switch":"Start","desktops":["5f0c9a10-0000-4000-8000-000000000071"],"refused":[]}', '["5f0c9a10-0000-4000-8000-000000000071"]', 'queued', 0, 0, 1, NULL, '[]', 1, 'admin', NULL, @NOW@-997, NULL, '192.0.2.7', 'request-3');
INSERT INTO operation_locks (subject, operation_id) VALUES ('5f0c9a10-0000-4000-8000-000000000071', 3);
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (4, '5f0c9a10-0000-4000-8000-000000000084', 'image-add', '5f0c9a10-0000-4000-8000-000000000052', 'broken', '{"image":"5f0c9a10-0000-4000-8000-000000000052","node_id":1,"storage":"@DATA@/storage","sha256":null}', '["5f0c9a10-0000-4000-8000-000000000052"]', 'undoing', 2, 40, 100, '{"kind":"NoRoom","key":"storage-full","args":[["storage","@DATA@/storage"],["needed","1 GiB"],["free","0 B"],["reserve","2 GiB"]],"detail":"no space left on device"}', '[]', 1, 'admin', NULL, @NOW@-996, NULL, '192.0.2.7', 'request-4');
INSERT INTO operation_locks (subject, operation_id) VALUES ('5f0c9a10-0000-4000-8000-000000000052', 4);
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (5, '5f0c9a10-0000-4000-8000-000000000085', 'network-edit', '5f0c9a10-0000-4000-8000-000000000042', 'default', '{"network":"5f0c9a10-0000-4000-8000-000000000042","undo":{"Restore":{"name":"old name","desc":"","vlan":null}}}', '["5f0c9a10-0000-4000-8000-000000000042"]', 'running', 0, 0, 1, NULL, '[]', 1, 'admin', NULL, @NOW@-995, NULL, '192.0.2.7', 'request-5');
INSERT INTO operation_locks (subject, operation_id) VALUES ('5f0c9a10-0000-4000-8000-000000000042', 5);
INSERT INTO operations (id, uuid, kind, subject, subject_name, args, locks, state, step, done, total, fault, items, owner_id, owner_name, run_at, created_at, finished_at, owner_address, request_id) VALUES (6, '5f0c9a10-0000-4000-8000-000000000086', 'desktops-stop', '5f0c9a10-0000-4000-8000-000000000072', 'own001', '{"switch":"Stop","desktops":["5f0c9a10-0000-4000-8000-000000000072"],"refused":[]}', '["5f0c9a10-0000-4000-8000-000000000072"]', 'failed', 0, 0, 1, '{"kind":"NodeUnreachable","key":"node-unreachable","args":[["name","node1"]],"detail":"link down"}', '[]', 1, 'admin', NULL, @NOW@-994, @NOW@-800, '192.0.2.7', 'request-6');
INSERT INTO audit (id, at, user_id, user_name, user_ip, action, subject, module, fault, request_id) VALUES (1, @NOW@-7200, 1, 'admin', '192.0.2.7', 'log-sign-in', 'admin', 'identity', NULL, 'request-0');
INSERT INTO audit (id, at, user_id, user_name, user_ip, action, subject, module, fault, request_id) VALUES (2, @NOW@-900, 1, 'admin', '192.0.2.7', 'log-image-upload', 'small', 'base-images', NULL, 'request-1');
COMMIT;
