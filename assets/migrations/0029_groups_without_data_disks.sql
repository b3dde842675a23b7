-- Whether desktops of a group get the data disks that its template has.
ALTER TABLE desktop_groups ADD COLUMN has_data_disks INTEGER NOT NULL DEFAULT 1;
