-- Templates whose machines go over to another disk bus, which waits for people and for guests.
CREATE TABLE bus_switches (
    template_id INTEGER PRIMARY KEY REFERENCES templates(id) ON DELETE CASCADE,
    phase       TEXT NOT NULL,                 -- preparing: a small disk is on the new bus; trying: the system is
    from_bus    TEXT NOT NULL,
    to_bus      TEXT NOT NULL,
    deadline    INTEGER NOT NULL               -- Unix seconds: undone then
);
