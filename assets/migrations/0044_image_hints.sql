-- What a base image says of the machine that it was made for, null where it says nothing; whether its Windows has a driver
-- for virtio disks (0, 1), null where that was not looked for.
ALTER TABLE images ADD COLUMN vcpu INTEGER;
ALTER TABLE images ADD COLUMN memory_mib INTEGER;
ALTER TABLE images ADD COLUMN virtio INTEGER;
