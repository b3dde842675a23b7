-- How much of its node's disks and network each desktop of a group may use; 0 is all.
ALTER TABLE desktop_groups ADD COLUMN disk_mb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE desktop_groups ADD COLUMN disk_iops INTEGER NOT NULL DEFAULT 0;
ALTER TABLE desktop_groups ADD COLUMN receive_mbit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE desktop_groups ADD COLUMN send_mbit INTEGER NOT NULL DEFAULT 0;
