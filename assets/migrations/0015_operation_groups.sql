-- The education groups that everything an operation works on belongs to; none when some of it belongs to none.
CREATE TABLE operation_groups (
    operation_id    INTEGER NOT NULL REFERENCES operations(id) ON DELETE CASCADE,
    education_group TEXT NOT NULL,         -- uuid: a row's number is given again after the group is deleted
    PRIMARY KEY (operation_id, education_group)
);
