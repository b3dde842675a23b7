-- Registering is off until somebody switches it on. Who could register before still can.

UPDATE sign_in_policy SET value = json_set(value, '$.registration', json('true'))
WHERE json_type(value, '$.registration') IS NULL;

INSERT INTO sign_in_policy (id, value)
SELECT 1, '{"registration":true}' WHERE EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM sign_in_policy);
