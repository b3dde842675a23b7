-- Whether viewers other than the browser may show desktops of the group, by SPICE: 'off', 'on', 'usb' with USB devices.
ALTER TABLE desktop_groups ADD COLUMN spice TEXT NOT NULL DEFAULT 'off';
