-- Unfinished operations newest first, as pages and the engine ask for them: a handful among all that ever were.
CREATE INDEX operations_unfinished ON operations(id) WHERE finished_at IS NULL;
DROP INDEX operations_open;
