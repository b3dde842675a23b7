-- What the firmware of a template's machine kept when the version of this layer was saved, packed by zlib: the variables of
-- UEFI, and the state of a TPM, which holds keys. Only with the layer of the system disk.
ALTER TABLE template_layers ADD COLUMN nvram BLOB;
ALTER TABLE template_layers ADD COLUMN tpm BLOB;
