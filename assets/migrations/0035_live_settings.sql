-- What an administrator set in the console in the place of the settings file; one row.
CREATE TABLE live_settings (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL              -- JSON; what it lacks is as the file says
);
