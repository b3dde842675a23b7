-- The ISOs in the CD drives of templates' own machines.
CREATE TABLE template_discs (
    template_id INTEGER NOT NULL REFERENCES templates(id) ON DELETE CASCADE,
    drive       INTEGER NOT NULL,              -- 0 or 1
    iso         TEXT NOT NULL REFERENCES images(uuid),
    PRIMARY KEY (template_id, drive),
    UNIQUE (template_id, iso)
) WITHOUT ROWID;
CREATE INDEX template_discs_iso ON template_discs(iso);
