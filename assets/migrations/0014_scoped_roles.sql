-- A role that somebody holds for one education group only: what it allows reaches what is in that group.
CREATE TABLE scoped_roles (
    id                 INTEGER PRIMARY KEY,
    user_id            INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role_id            INTEGER NOT NULL REFERENCES roles(id),
    education_group_id INTEGER NOT NULL REFERENCES education_groups(id) ON DELETE CASCADE,
    UNIQUE (user_id, role_id, education_group_id)
);
CREATE INDEX scoped_roles_by_role ON scoped_roles (role_id);
CREATE INDEX scoped_roles_by_group ON scoped_roles (education_group_id);
