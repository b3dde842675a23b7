-- Addresses whose owners are being removed: still theirs, so that nobody else gets one, and no longer told to nodes.
ALTER TABLE addresses ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
