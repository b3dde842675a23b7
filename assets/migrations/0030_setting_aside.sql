-- What nodes are being asked to set aside, until the audit log says that it was: a kill in between loses no line.
CREATE TABLE setting_aside (
    node_id INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
    thing   TEXT NOT NULL,                 -- the uuid of a domain, or storage and path of a file
    action  TEXT NOT NULL,                 -- message key of the line
    subject TEXT NOT NULL,                 -- of the line
    layer   TEXT,                          -- its uuid, of a layer's file
    PRIMARY KEY (node_id, thing)
) WITHOUT ROWID;
