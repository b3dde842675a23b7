-- Operations: the action by name, a part for each node, an undo that is stuck says why.

ALTER TABLE operations ADD COLUMN action TEXT;              -- that it is at; null before the first
ALTER TABLE operations ADD COLUMN args_version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE operations ADD COLUMN undo_fault TEXT;          -- JSON, why the undo does not come to its end
ALTER TABLE operations ADD COLUMN stuck_since INTEGER;
ALTER TABLE operations ADD COLUMN next_try INTEGER;
ALTER TABLE operations ADD COLUMN abandoned INTEGER NOT NULL DEFAULT 0;

-- Until now the action was its place in the list of its kind. The lists of the release before:
WITH released(kind, step, action) AS (VALUES
    ('image-add', 0, 'rows'), ('image-add', 1, 'adopt'), ('image-add', 2, 'distribute'),
    ('image-resync', 0, 'verify'), ('image-delete', 0, 'remove'),
    ('network-create', 0, 'tell the nodes'), ('network-edit', 0, 'tell the nodes'),
    ('subnet-create', 0, 'tell the nodes'), ('subnet-edit', 0, 'tell the nodes'),
    ('network-delete', 0, 'take the networks away'), ('subnet-delete', 0, 'tell the nodes'),
    ('desktop-group-restore', 0, 'rows'), ('desktop-group-restore', 1, 'domains'),
    ('desktop-groups-delete', 0, 'stage'), ('desktop-groups-delete', 1, 'domains'),
    ('desktop-groups-delete', 2, 'addresses'), ('desktop-groups-delete', 3, 'rows'),
    ('desktops-delete', 0, 'stage'), ('desktops-delete', 1, 'domains'),
    ('desktops-delete', 2, 'addresses'), ('desktops-delete', 3, 'rows'),
    ('desktop-group-create', 0, 'rows'), ('desktop-group-create', 1, 'addresses'),
    ('desktop-group-create', 2, 'domains'), ('desktop-group-create', 3, 'ready'),
    ('desktops-add', 0, 'rows'), ('desktops-add', 1, 'addresses'),
    ('desktops-add', 2, 'domains'), ('desktops-add', 3, 'ready'),
    ('desktops-start', 0, 'power'), ('desktops-stop', 0, 'power'), ('desktops-reboot', 0, 'power'),
    ('template-start', 0, 'power'), ('template-stop', 0, 'power'), ('template-hard-stop', 0, 'power'),
    ('template-reboot', 0, 'power'), ('template-hard-reboot', 0, 'power'),
    ('template-reset', 0, 'power'), ('template-edit', 0, 'power'),
    ('desktops-remake', 0, 'domains'), ('desktops-correct', 0, 'domains'),
    ('template-publish', 0, 'publish'), ('template-delete', 0, 'remove'), ('template-export', 0, 'copy'),
    ('template-save', 0, 'begin'), ('template-save', 1, 'shut down'), ('template-save', 2, 'freeze'),
    ('template-save', 3, 'publish'), ('template-save', 4, 'ready'),
    ('template-flatten', 0, 'begin'), ('template-flatten', 1, 'copy'),
    ('template-flatten', 2, 'switch'), ('template-flatten', 3, 'ready'),
    ('template-change', 0, 'rows'), ('template-change', 1, 'disks'),
    ('template-change', 2, 'domain'), ('template-change', 3, 'ready'),
    ('template-create', 0, 'rows'), ('template-create', 1, 'image'), ('template-create', 2, 'layers'),
    ('template-create', 3, 'domain'), ('template-create', 4, 'publish'), ('template-create', 5, 'ready'),
    ('template-copy', 0, 'rows'), ('template-copy', 1, 'image'), ('template-copy', 2, 'layers'),
    ('template-copy', 3, 'domain'), ('template-copy', 4, 'publish'), ('template-copy', 5, 'ready'))
UPDATE operations SET action = (SELECT r.action FROM released r
    WHERE r.kind = operations.kind AND r.step = operations.step)
WHERE finished_at IS NULL;

ALTER TABLE operations DROP COLUMN step;

CREATE TABLE operation_parts (
    operation_id INTEGER NOT NULL REFERENCES operations(id) ON DELETE CASCADE,
    node_id      INTEGER NOT NULL,
    node_name    TEXT NOT NULL,               -- as it was called then
    state        TEXT NOT NULL,               -- queued running succeeded failed cancelled
    done         INTEGER NOT NULL DEFAULT 0,
    total        INTEGER NOT NULL DEFAULT 0,
    fault        TEXT,                        -- JSON, why it failed
    PRIMARY KEY (operation_id, node_id)
);
CREATE INDEX operation_locks_operation ON operation_locks(operation_id);
