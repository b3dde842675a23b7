-- The hardware of machines besides processors, memory, disks and cards, as JSON; null: as all were in the first release.
ALTER TABLE templates ADD COLUMN hardware TEXT;
-- Of the version that the layer is of.
ALTER TABLE template_layers ADD COLUMN hardware TEXT;
