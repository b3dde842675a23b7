-- Names of systems in the forms of document 002, as they are written from now on.
UPDATE base_images SET os_type = CASE replace(replace(replace(replace(lower(os_type), ' ', ''), '(', ''), ')', ''), 'bit', '')
    WHEN 'winxp' THEN 'Windows XP' WHEN 'windowsxp' THEN 'Windows XP'
    WHEN 'win732' THEN 'Windows 7 bit 32' WHEN 'windows732' THEN 'Windows 7 bit 32'
    WHEN 'win7' THEN 'Windows 7 bit 64' WHEN 'windows7' THEN 'Windows 7 bit 64'
    WHEN 'win764' THEN 'Windows 7 bit 64' WHEN 'windows764' THEN 'Windows 7 bit 64'
    WHEN 'win10' THEN 'Windows 10 bit 64' WHEN 'windows10' THEN 'Windows 10 bit 64'
    WHEN 'win1064' THEN 'Windows 10 bit 64' WHEN 'windows1064' THEN 'Windows 10 bit 64'
    WHEN 'linux' THEN 'Linux' ELSE os_type END;
UPDATE templates SET os_type = CASE replace(replace(replace(replace(lower(os_type), ' ', ''), '(', ''), ')', ''), 'bit', '')
    WHEN 'winxp' THEN 'Windows XP' WHEN 'windowsxp' THEN 'Windows XP'
    WHEN 'win732' THEN 'Windows 7 bit 32' WHEN 'windows732' THEN 'Windows 7 bit 32'
    WHEN 'win7' THEN 'Windows 7 bit 64' WHEN 'windows7' THEN 'Windows 7 bit 64'
    WHEN 'win764' THEN 'Windows 7 bit 64' WHEN 'windows764' THEN 'Windows 7 bit 64'
    WHEN 'win10' THEN 'Windows 10 bit 64' WHEN 'windows10' THEN 'Windows 10 bit 64'
    WHEN 'win1064' THEN 'Windows 10 bit 64' WHEN 'windows1064' THEN 'Windows 10 bit 64'
    WHEN 'linux' THEN 'Linux' ELSE os_type END;
