-- A desktop that is called exactly so is found among thousands whose names begin alike.
CREATE INDEX desktops_name ON desktops(name);
