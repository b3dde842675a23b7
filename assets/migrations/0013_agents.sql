-- How the agent of each node is reached, and what it works with.

ALTER TABLE nodes ADD COLUMN agent TEXT; -- JSON; NULL: the controller's own machine, by its settings
