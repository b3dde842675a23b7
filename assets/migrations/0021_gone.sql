-- Machines and layers whose rows were deleted: what a node that was away still has of them is deleted when it is back.
-- What neither a row nor this table knows is of another database, a newer one perhaps, and is only set aside.
CREATE TABLE gone (
    uuid TEXT PRIMARY KEY,
    at   INTEGER NOT NULL                  -- Unix seconds
) WITHOUT ROWID;
CREATE INDEX gone_at ON gone(at);

CREATE TRIGGER desktops_gone AFTER DELETE ON desktops BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;
CREATE TRIGGER templates_gone AFTER DELETE ON templates BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;
CREATE TRIGGER base_images_gone AFTER DELETE ON base_images BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;
CREATE TRIGGER template_layers_gone AFTER DELETE ON template_layers BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;
CREATE TRIGGER template_exports_gone AFTER DELETE ON template_exports BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.uuid, unixepoch());
END;
CREATE TRIGGER layer_copies_gone AFTER DELETE ON layer_copies BEGIN
    INSERT OR IGNORE INTO gone (uuid, at) VALUES (old.layer, unixepoch());
END;
