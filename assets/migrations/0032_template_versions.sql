-- Saved versions of templates: when, by whom and why. The layers of a version are kept as long as it stands here.
CREATE TABLE template_versions (
    template_id INTEGER NOT NULL REFERENCES templates(id) ON DELETE CASCADE,
    version     INTEGER NOT NULL,
    note        TEXT NOT NULL DEFAULT '',
    author      TEXT NOT NULL DEFAULT '',  -- name of who saved it; empty where that was not noted
    origin      INTEGER,                   -- the older version that it was made of
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (template_id, version)
) WITHOUT ROWID;

-- Bytes of the layer's file; null: not measured since the layer was made.
ALTER TABLE template_layers ADD COLUMN used INTEGER;

-- Versions whose system disks are still there.
INSERT INTO template_versions (template_id, version, author, created_at)
SELECT t.id, l.version, iif(l.version = 1, t.owner_name, ''), l.created_at
FROM templates t JOIN template_disks d ON d.template_id = t.id AND d.position = 0
JOIN template_layers l ON l.disk_id = d.id WHERE l.version <= t.version;
