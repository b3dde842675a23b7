-- Base images and installation ISOs are images alike: the latter are of no pool. The reference of templates moves along;
-- a template that is installed from an ISO has no base image.
ALTER TABLE templates ADD COLUMN image TEXT;
UPDATE templates SET image = base_image;
DROP INDEX templates_base;
ALTER TABLE templates DROP COLUMN base_image;

CREATE TABLE images (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,          -- also the layer's
    kind         TEXT NOT NULL,                 -- 'base' or 'iso'
    pool_id      INTEGER REFERENCES pools(id),  -- of a base image
    iso_type     INTEGER,                       -- of an ISO: 1 software, 2 tools, 3 operating system
    name         TEXT NOT NULL,
    desc         TEXT NOT NULL DEFAULT '',
    os_type      TEXT NOT NULL,
    md5          TEXT NOT NULL,                 -- of the file as it was uploaded
    sha256       TEXT NOT NULL,                 -- of the layer; empty while it is checked
    virtual_size INTEGER NOT NULL,
    disk_size    INTEGER NOT NULL,
    state        TEXT NOT NULL,                 -- 'checking', 'ready', 'deleting'
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER,
    CHECK ((kind = 'base') = (pool_id IS NOT NULL) AND (kind = 'iso') = (iso_type IS NOT NULL))
);
INSERT INTO images (id, uuid, kind, pool_id, name, os_type, md5, sha256, virtual_size, disk_size, state, created_at,
    updated_at)
SELECT id, uuid, 'base', pool_id, name, os_type, md5, sha256, virtual_size, disk_size, state, created_at, updated_at
FROM base_images;
DROP TABLE base_images;
CREATE UNIQUE INDEX images_pool ON images(pool_id, name) WHERE kind = 'base';
CREATE UNIQUE INDEX images_iso ON images(name) WHERE kind = 'iso';
CREATE TRIGGER images_gone AFTER DELETE ON images BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;

ALTER TABLE templates ADD COLUMN base_image TEXT REFERENCES images(uuid);
UPDATE templates SET base_image = image;
ALTER TABLE templates DROP COLUMN image;
CREATE INDEX templates_base ON templates(base_image);
