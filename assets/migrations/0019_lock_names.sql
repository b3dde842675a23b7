-- What is locked is told of by its own name, also where the operation has another.
ALTER TABLE operation_locks ADD COLUMN name TEXT NOT NULL DEFAULT '';

UPDATE operation_locks SET name = coalesce(
    (SELECT name FROM desktops WHERE uuid = subject),
    (SELECT name FROM desktop_groups WHERE uuid = subject),
    (SELECT name FROM templates WHERE uuid = subject),
    (SELECT name FROM base_images WHERE uuid = subject),
    (SELECT name FROM networks WHERE uuid = subject),
    (SELECT name FROM subnets WHERE uuid = subject),
    (SELECT subject_name FROM operations WHERE id = operation_id));

ALTER TABLE operations ADD COLUMN lock_names TEXT NOT NULL DEFAULT '[]'; -- JSON array in the order of locks

UPDATE operations SET lock_names = (SELECT json_group_array(coalesce(
        (SELECT name FROM desktops WHERE uuid = value),
        (SELECT name FROM desktop_groups WHERE uuid = value),
        (SELECT name FROM templates WHERE uuid = value),
        (SELECT name FROM base_images WHERE uuid = value),
        (SELECT name FROM networks WHERE uuid = value),
        (SELECT name FROM subnets WHERE uuid = value),
        subject_name)) FROM json_each(locks))
WHERE finished_at IS NULL;
