-- What guests are told and do when a system disk begins as its template's.
ALTER TABLE desktop_groups ADD COLUMN host_names TEXT NOT NULL DEFAULT '';
ALTER TABLE templates ADD COLUMN first_start_shell TEXT NOT NULL DEFAULT 'sh';
ALTER TABLE templates ADD COLUMN first_start_script TEXT NOT NULL DEFAULT '';
ALTER TABLE templates ADD COLUMN first_start_minutes INTEGER NOT NULL DEFAULT 10;

-- The newest first start of each desktop. life: Unix seconds of the start with which its system disk began; -1 when it
-- was asked for again, for whatever life it is in. run: of the start of the machine that the step is of.
CREATE TABLE first_starts (
    desktop_id INTEGER PRIMARY KEY REFERENCES desktops (id) ON DELETE CASCADE,
    life INTEGER NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    pid INTEGER,
    restarts INTEGER NOT NULL DEFAULT 0,
    began_at INTEGER NOT NULL,
    step_at INTEGER NOT NULL,
    ended_at INTEGER,
    host_name TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    output BLOB NOT NULL DEFAULT x'',
    is_cut INTEGER NOT NULL DEFAULT 0,
    fault TEXT
);
CREATE INDEX first_starts_by_state ON first_starts (state);
