-- Virtual switches, data networks, subnets, addresses. IPv4 addresses are kept as numbers.

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

-- A row for each reserved address; its owner is a template or desktop.
CREATE TABLE addresses (
    network_id INTEGER NOT NULL REFERENCES networks(id),
    address    INTEGER NOT NULL,
    subnet_id  INTEGER NOT NULL REFERENCES subnets(id),
    mac        TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL UNIQUE,       -- uuid
    PRIMARY KEY (network_id, address)
) WITHOUT ROWID;
CREATE INDEX addresses_subnet ON addresses(subnet_id);
