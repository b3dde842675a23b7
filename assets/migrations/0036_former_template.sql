-- The template whose disks a desktop has still, after its group was given another; null: those of its group.
-- Until it is made anew its version is 0.
ALTER TABLE desktops ADD COLUMN former_template INTEGER REFERENCES templates(id);
CREATE INDEX desktops_former ON desktops(former_template) WHERE former_template IS NOT NULL;
