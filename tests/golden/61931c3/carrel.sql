PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE operations (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,            -- uuid of what it works on
    subject_name TEXT NOT NULL,
    args         TEXT NOT NULL,            -- JSON, read by the kind alone
    locks        TEXT NOT NULL,            -- JSON array of uuids held while it runs
    state        TEXT NOT NULL,            -- scheduled queued running undoing succeeded failed cancelled
    step         INTEGER NOT NULL DEFAULT 0,
    done         INTEGER NOT NULL DEFAULT 0,
    total        INTEGER NOT NULL DEFAULT 0,
    cancel       INTEGER NOT NULL DEFAULT 0,
    fault        TEXT,                     -- JSON, why it failed
    items        TEXT NOT NULL DEFAULT '[]', -- JSON, how it went for each thing of a batch
    owner_id     INTEGER,
    owner_name   TEXT NOT NULL,
    run_at       INTEGER,                  -- for scheduled ones
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER
, owner_address TEXT, request_id TEXT NOT NULL DEFAULT '');
INSERT INTO operations VALUES(1,'1ddffdc6-8f6e-45bb-855a-7df11a9871f3','image-add','b73a13a5-f10d-4910-92d7-cb62f6ef8c6f','tiny linux','{"image":"b73a13a5-f10d-4910-92d7-cb62f6ef8c6f","node_id":1,"storage":"/var/lib/carrel/storage","sha256":"5e4d74ffc43bdf02f902b5619a6b0e0257ddfd8b4741da4f6dfa1fc352c99a10"}','["b73a13a5-f10d-4910-92d7-cb62f6ef8c6f"]','succeeded',3,0,0,0,'null','[]',1,'admin',NULL,1795841238,1795841238,'10.88.1.1','1617f209cccb426fb021fe610cfc53b2');
INSERT INTO operations VALUES(2,'6f51825d-4c49-44fc-9c1a-ecee636af419','template-create','f7e5305f-5e10-4998-ac14-cd8b399b1735','tiny','{"template":"f7e5305f-5e10-4998-ac14-cd8b399b1735","source":null}','["f7e5305f-5e10-4998-ac14-cd8b399b1735"]','succeeded',6,95,100,0,'null','[]',1,'admin',NULL,1795841238,1795841238,'10.88.1.1','4c0f7747b7f04ba1bdfe534a8e6d971c');
INSERT INTO operations VALUES(3,'3b625cfe-754d-47ed-8811-4dd1f977bd14','template-edit','f7e5305f-5e10-4998-ac14-cd8b399b1735','tiny','{"action":"Edit","templates":[["f7e5305f-5e10-4998-ac14-cd8b399b1735","tiny"]],"refused":[]}','["f7e5305f-5e10-4998-ac14-cd8b399b1735"]','succeeded',1,1,1,0,'null','[{"uuid":"f7e5305f-5e10-4998-ac14-cd8b399b1735","name":"tiny","fault":null}]',1,'admin',NULL,1795841238,1795841238,'10.88.1.1','26e6060c84ca45748d17656307f7e725');
INSERT INTO operations VALUES(4,'6f670731-dedd-4a96-b437-a66c19a045d4','template-save','f7e5305f-5e10-4998-ac14-cd8b399b1735','tiny','{"template":"f7e5305f-5e10-4998-ac14-cd8b399b1735"}','["f7e5305f-5e10-4998-ac14-cd8b399b1735"]','succeeded',5,1,1,0,'null','[]',1,'admin',NULL,1795841245,1795841245,'10.88.1.1','f01ab73b05d944c48887f204a4cdf21c');
INSERT INTO operations VALUES(5,'08a52129-0c2b-4391-a3fc-143f01f604a0','desktop-group-create','bce0254e-fc80-4624-b349-498348425dff','restored','{"group":"bce0254e-fc80-4624-b349-498348425dff","desktops":["4d88f9b4-1ad4-4869-ac52-3a187160c76c","837bfe52-c888-47bf-9ac8-ad02c8f07210"],"whole_group":true}','["bce0254e-fc80-4624-b349-498348425dff","4d88f9b4-1ad4-4869-ac52-3a187160c76c","837bfe52-c888-47bf-9ac8-ad02c8f07210"]','succeeded',4,2,2,0,'null','[]',1,'admin',NULL,1795841245,1795841245,'10.88.1.1','7a1e0432efb3457abb68e62001a79c06');
INSERT INTO operations VALUES(6,'0072416c-e870-4d11-9a33-6790d26571db','desktop-group-create','6196e26f-d4c4-4859-9c0d-89432cd36764','kept','{"group":"6196e26f-d4c4-4859-9c0d-89432cd36764","desktops":["ff206090-915e-48e8-b996-36b9bf86513d"],"whole_group":true}','["6196e26f-d4c4-4859-9c0d-89432cd36764","ff206090-915e-48e8-b996-36b9bf86513d"]','succeeded',4,1,1,0,'null','[]',1,'admin',NULL,1795841245,1795841246,'10.88.1.1','3a0064fa791f4210bbcb410756bb6131');
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
    action     TEXT NOT NULL,              -- message key of what was done
    subject    TEXT NOT NULL,              -- name of what it was done to
    module     TEXT NOT NULL,
    fault      TEXT,                       -- JSON; null is success
    request_id TEXT NOT NULL
);
INSERT INTO audit VALUES(1,1795841230,NULL,'carrel admin',NULL,'log-user-password','admin','identity',NULL,'');
INSERT INTO audit VALUES(2,1795841231,1,'admin','10.88.1.1','log-sign-in','admin','identity',NULL,'d801001276944689bbd118492f04eee4');
INSERT INTO audit VALUES(3,1795841238,1,'admin','10.88.1.1','image-add','tiny linux','operations',NULL,'1617f209cccb426fb021fe610cfc53b2');
INSERT INTO audit VALUES(4,1795841238,1,'admin','10.88.1.1','log-image-upload','tiny linux','images',NULL,'1617f209cccb426fb021fe610cfc53b2');
INSERT INTO audit VALUES(5,1795841238,1,'admin','10.88.1.1','template-create','tiny','operations',NULL,'4c0f7747b7f04ba1bdfe534a8e6d971c');
INSERT INTO audit VALUES(6,1795841238,1,'admin','10.88.1.1','log-template-create','tiny','templates',NULL,'4c0f7747b7f04ba1bdfe534a8e6d971c');
INSERT INTO audit VALUES(7,1795841238,1,'admin','10.88.1.1','template-edit','tiny','operations',NULL,'26e6060c84ca45748d17656307f7e725');
INSERT INTO audit VALUES(8,1795841238,1,'admin','10.88.1.1','log-template-edit','tiny','templates',NULL,'26e6060c84ca45748d17656307f7e725');
INSERT INTO audit VALUES(9,1795841245,1,'admin','10.88.1.1','template-save','tiny','operations',NULL,'f01ab73b05d944c48887f204a4cdf21c');
INSERT INTO audit VALUES(10,1795841245,1,'admin','10.88.1.1','log-template-save','tiny','templates',NULL,'f01ab73b05d944c48887f204a4cdf21c');
INSERT INTO audit VALUES(11,1795841245,1,'admin','10.88.1.1','log-education-group-create','room 1','education',NULL,'239a7f3595af492c92edc6a1065a962b');
INSERT INTO audit VALUES(12,1795841245,1,'admin','10.88.1.1','desktop-group-create','restored','operations',NULL,'7a1e0432efb3457abb68e62001a79c06');
INSERT INTO audit VALUES(13,1795841245,1,'admin','10.88.1.1','log-desktop-group-create','restored','education',NULL,'7a1e0432efb3457abb68e62001a79c06');
INSERT INTO audit VALUES(14,1795841246,1,'admin','10.88.1.1','desktop-group-create','kept','operations',NULL,'3a0064fa791f4210bbcb410756bb6131');
INSERT INTO audit VALUES(15,1795841246,1,'admin','10.88.1.1','log-desktop-group-create','kept','education',NULL,'3a0064fa791f4210bbcb410756bb6131');
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
, lookalike TEXT, phone TEXT NOT NULL DEFAULT '', department TEXT NOT NULL DEFAULT '', awaits TEXT, force_reset INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL DEFAULT 'local', external_id TEXT, settings TEXT NOT NULL DEFAULT '{}');
INSERT INTO users VALUES(1,'d153a2a1-daa8-4c27-8b8c-a5097ed8dc4c','admin',NULL,'','$argon2id$v=19$m=19456,t=2,p=1$T3LN+6Av35a3d+qxCPZNFw$W+BVBFG55OuR3+JaRC6jgsKf0XSf2zNFJ+LCR1q6qFE',1,1795841230,1795841231,1795841230,NULL,'adrnin','','',NULL,0,'local',NULL,'{}');
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,     -- SHA-256 of a random token of 256 bits
    user_id      INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address      TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    slide        INTEGER NOT NULL DEFAULT 0, -- seconds from each use to the end; 0: the end stays
    last_seen_at INTEGER NOT NULL
, uuid TEXT, user_agent TEXT NOT NULL DEFAULT '');
CREATE TABLE login_failures (
    subject      TEXT PRIMARY KEY,         -- 'user:<name>' or 'address:<ip>'
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
INSERT INTO installation VALUES(1,'ac52f5bb-bcdc-4a7f-8c42-d7ba2bd5fdde',1795841230);
CREATE TABLE pools (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    desc       TEXT,
    is_default INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);
INSERT INTO pools VALUES(1,'266e259b-21a0-4b75-9981-a2c4e1f4e48f','default',NULL,1,1795841230,NULL);
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
INSERT INTO nodes VALUES(1,'a98c930b-bcef-4cc8-a16e-ae7b74fe341d','node1',1,1,1,'10.88.1.11','node1','Intel(R) Xeon(R) Processor',2,25276502016,'','Linux (Debian GNU/Linux 12), libvirt 9.0.0, QEMU 7.2.22','qemu','active',NULL,1795841230,1795841232);
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
INSERT INTO nics VALUES(1,'4480ceff-143f-40c2-8013-1feacbec2e66',1,'eth0','52:54:00:88:00:01',10000,1,1,NULL,'',1795841231,1795841232);
INSERT INTO nics VALUES(2,'8c4989d4-efd4-4a63-9696-e82822884107',1,'eth1','52:54:00:88:01:01',10000,1,1,NULL,'',1795841231,1795841232);
INSERT INTO nics VALUES(3,'2e5f465f-3ecb-46ff-9585-ef8b99af7be5',1,'eth2','52:54:00:88:02:01',10000,1,1,NULL,'',1795841231,1795841232);
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
INSERT INTO nic_addresses VALUES(1,'4485179c-1a06-4639-abdf-58f5646e0900',1,'10.88.1.11',24,1,1);
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
INSERT INTO storages VALUES(1,'b2f81565-aa7c-4f28-8d7f-a635ce64e4dd',1,'/var/lib/carrel/storage','1,2,3,4',270553174016,229879205888);
CREATE TABLE switches (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,              -- 'nat', 'flat' or 'vlan'
    desc       TEXT,
    is_default INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
);
INSERT INTO switches VALUES(1,'33c49f56-fff9-4498-9e1a-9f9eefba1312','default','nat',NULL,1,1795841230,NULL);
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
INSERT INTO networks VALUES(1,'ff56d675-c4c1-44fd-8b9d-895dd038acb5','default',NULL,1,NULL,1,1795841231,NULL);
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
INSERT INTO subnets VALUES(1,'ef8e7fe0-4fa8-42d0-bfd1-170b4f07aac6',1,'default',181731338,181731578,24,181731329,'10.213.0.1',NULL,1795841231,NULL);
CREATE TABLE addresses (
    network_id INTEGER NOT NULL REFERENCES networks(id),
    address    INTEGER NOT NULL,
    subnet_id  INTEGER NOT NULL REFERENCES subnets(id),
    mac        TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL UNIQUE,       -- uuid
    PRIMARY KEY (network_id, address)
) WITHOUT ROWID;
INSERT INTO addresses VALUES(1,181731338,1,'52:54:f8:51:6f:69','f7e5305f-5e10-4998-ac14-cd8b399b1735');
INSERT INTO addresses VALUES(1,181731339,1,'52:54:d4:39:6c:95','4d88f9b4-1ad4-4869-ac52-3a187160c76c');
INSERT INTO addresses VALUES(1,181731340,1,'52:54:11:ba:aa:2b','837bfe52-c888-47bf-9ac8-ad02c8f07210');
INSERT INTO addresses VALUES(1,181731341,1,'52:54:09:60:1c:a0','ff206090-915e-48e8-b996-36b9bf86513d');
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
INSERT INTO base_images VALUES(1,'b73a13a5-f10d-4910-92d7-cb62f6ef8c6f',1,'tiny linux','Linux','ff5a03a0ad8975851d3e62a9ba4bb21d','5e4d74ffc43bdf02f902b5619a6b0e0257ddfd8b4741da4f6dfa1fc352c99a10',67108864,17432576,'ready',1795841238,1795841238);
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
INSERT INTO layer_copies VALUES('97f948d2-836d-496c-bdb4-c0e8acedfb42',1,'/var/lib/carrel/storage','','ready',100,NULL);
INSERT INTO layer_copies VALUES('b73a13a5-f10d-4910-92d7-cb62f6ef8c6f',1,'/var/lib/carrel/storage','/var/lib/carrel/storage/base/b73a13a5-f10d-4910-92d7-cb62f6ef8c6f.qcow2','ready',100,NULL);
INSERT INTO layer_copies VALUES('dc725f71-42c7-4635-9e4f-047b5a49130f',1,'/var/lib/carrel/storage','','ready',100,NULL);
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
INSERT INTO templates VALUES(1,'f7e5305f-5e10-4998-ac14-cd8b399b1735','tiny','for the class','Linux',1,1,1,1,1,1,128,'b73a13a5-f10d-4910-92d7-cb62f6ef8c6f',2,'ready',NULL,0,0,'off','shutdown',NULL,'admin',1795841245,1795841238,1795841245);
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
INSERT INTO template_disks VALUES(1,'1655c50b-8c1c-455c-b830-d6f224b849b3',1,'system',0,1073741824,17846272,'dc725f71-42c7-4635-9e4f-047b5a49130f');
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
INSERT INTO template_layers VALUES('97f948d2-836d-496c-bdb4-c0e8acedfb42',1,1,1,'b73a13a5-f10d-4910-92d7-cb62f6ef8c6f',1073741824,1795841238);
INSERT INTO template_layers VALUES('dc725f71-42c7-4635-9e4f-047b5a49130f',1,1,2,'97f948d2-836d-496c-bdb4-c0e8acedfb42',1073741824,1795841245);
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
INSERT INTO education_groups VALUES(1,'2e48c263-0382-4958-b912-a108a8e69086','room 1','',1,1,3221225994,3221226004,1795841245,NULL);
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
INSERT INTO desktop_groups VALUES(1,'bce0254e-fc80-4624-b349-498348425dff','restored',1,1,1,1,1,1,1,128,1,1,'pc',3,5,0,99,'ready','admin',1795841245,1795841245);
INSERT INTO desktop_groups VALUES(2,'6196e26f-d4c4-4859-9c0d-89432cd36764','kept',1,1,1,1,1,1,1,128,0,0,'own',3,1,0,99,'ready','admin',1795841245,1795841246);
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
INSERT INTO desktops VALUES(1,'4d88f9b4-1ad4-4869-ac52-3a187160c76c','pc005',1,1,1,2,'ready','off','',NULL,NULL,1795841245,1795841245);
INSERT INTO desktops VALUES(2,'837bfe52-c888-47bf-9ac8-ad02c8f07210','pc006',1,1,2,2,'ready','off','',NULL,NULL,1795841245,1795841245);
INSERT INTO desktops VALUES(3,'ff206090-915e-48e8-b996-36b9bf86513d','own001',2,1,1,2,'ready','off','',NULL,NULL,1795841245,1795841246);
CREATE TABLE roles (
    id          INTEGER PRIMARY KEY,
    code        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description TEXT NOT NULL DEFAULT '',
    builtin     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL DEFAULT 0
);
INSERT INTO roles VALUES(1,'admin','',1,0);
INSERT INTO roles VALUES(2,'normal','',1,0);
INSERT INTO roles VALUES(3,'operator','',1,0);
INSERT INTO roles VALUES(4,'auditor','',1,0);
INSERT INTO roles VALUES(5,'teacher','',1,0);
INSERT INTO roles VALUES(6,'analyst','',1,0);
CREATE TABLE role_permissions (
    role_id    INTEGER NOT NULL REFERENCES roles(id) ON DELETE CASCADE,
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
) WITHOUT ROWID;
CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role_id INTEGER NOT NULL REFERENCES roles(id),                 -- one in use is not deleted
    PRIMARY KEY (user_id, role_id)
) WITHOUT ROWID;
INSERT INTO user_roles VALUES(1,1);
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
CREATE TABLE password_resets (
    token_hash BLOB PRIMARY KEY,                                   -- SHA-256, as all tokens here
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
CREATE TABLE known_addresses (
    user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) WITHOUT ROWID;
CREATE TABLE sign_in_policy (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL                                            -- JSON
);
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
CREATE TABLE ssh_grants (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL UNIQUE,
    node_id     INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    system_user TEXT NOT NULL,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    UNIQUE (node_id, system_user, user_id)
);
CREATE TABLE restored_nodes (
    node_id     INTEGER PRIMARY KEY REFERENCES nodes(id) ON DELETE CASCADE,
    restored_at INTEGER NOT NULL           -- Unix seconds
);
CREATE INDEX operations_open ON operations(state) WHERE finished_at IS NULL;
CREATE INDEX operations_subject ON operations(subject, id);
CREATE INDEX audit_module ON audit(module, id);
CREATE INDEX audit_user ON audit(user_name, id);
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_end ON sessions(expires_at);
CREATE INDEX nodes_pool ON nodes(pool_id);
CREATE INDEX networks_switch ON networks(switch_id);
CREATE INDEX addresses_subnet ON addresses(subnet_id);
CREATE INDEX layer_copies_node ON layer_copies(node_id);
CREATE INDEX templates_classify ON templates(classify, id);
CREATE INDEX templates_base ON templates(base_image);
CREATE INDEX template_layers_template ON template_layers(template_id, version);
CREATE INDEX template_layers_below ON template_layers(below);
CREATE INDEX desktop_groups_group ON desktop_groups(group_id);
CREATE INDEX desktop_groups_template ON desktop_groups(template_id);
CREATE INDEX desktops_node ON desktops(node_id);
CREATE INDEX desktops_running ON desktops(group_id, power);
CREATE INDEX audit_request ON audit(request_id);
CREATE UNIQUE INDEX users_lookalike ON users(lookalike);
CREATE UNIQUE INDEX users_external ON users(source, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_awaits ON users(awaits) WHERE awaits IS NOT NULL;
CREATE INDEX user_roles_role ON user_roles(role_id);
CREATE INDEX user_group_members_group ON user_group_members(group_id);
CREATE UNIQUE INDEX user_group_members_primary ON user_group_members(user_id) WHERE is_primary = 1;
CREATE UNIQUE INDEX sessions_uuid ON sessions(uuid);
CREATE INDEX mail_confirmations_user ON mail_confirmations(user_id);
CREATE INDEX api_keys_user ON api_keys(user_id, created_at);
CREATE INDEX audit_at ON audit(at, id);
CREATE INDEX ssh_grants_user ON ssh_grants(user_id);
COMMIT;
PRAGMA user_version=10;
PRAGMA application_id=1131573868;
