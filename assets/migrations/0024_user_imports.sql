-- People of a list who are still to be made, sealed with a key that is no part of the database.

CREATE TABLE user_imports (
    import TEXT NOT NULL,
    line   INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (import, line)
) STRICT;
