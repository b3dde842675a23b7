-- An operation's end is logged with the request that started it, and from where that came.

ALTER TABLE operations ADD COLUMN owner_address TEXT;
ALTER TABLE operations ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_request ON audit(request_id);
