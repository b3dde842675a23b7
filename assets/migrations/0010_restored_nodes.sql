-- Nodes not yet compared with a database that `carrel restore` put in place: what they have and no row knows was
-- made after the backup and is set aside instead of deleted.
CREATE TABLE restored_nodes (
    node_id     INTEGER PRIMARY KEY REFERENCES nodes(id) ON DELETE CASCADE,
    restored_at INTEGER NOT NULL           -- Unix seconds
);
