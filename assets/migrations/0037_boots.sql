-- Which firmware a base image starts with: 'bios', 'uefi', 'either'; null where that was not looked for, or is unknown.
ALTER TABLE images ADD COLUMN boots TEXT;
