-- Long work and the audit log. Times are Unix seconds.

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
);
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
    action     TEXT NOT NULL,              -- message key of what was done
    subject    TEXT NOT NULL,              -- name of what it was done to
    module     TEXT NOT NULL,
    fault      TEXT,                       -- JSON; null is success
    request_id TEXT NOT NULL
);
CREATE INDEX audit_module ON audit(module, id);
CREATE INDEX audit_user ON audit(user_name, id);
