
## Node: programs, storages and disks

cancelled = Stopped on request.
program-missing = The program { $program } is not installed on the node. Install it and try again.
program-failed = The program { $program } failed on the node: { $message }
program-too-slow = The program { $program } did not end within { $seconds } seconds on the node. Look at the node's load and disks.
storage-unknown = { $path } is not a storage of this node.
storage-missing = The storage { $path } is not there or cannot be written. Mount it or correct its permissions on the node.
storage-full = The storage { $path } has no room: { $needed } needed, { $free } free. Delete what is not used or choose another storage.
storage-ran-full = The storage of { $path } has run full. Delete what is not used and try again.
storage-read-only = The storage of { $path } is read-only. Look at the node's file systems.
layer-missing = The disk layer { $uuid } is missing on the node ({ $path }). Distribute its image or template to the node again.
disk-missing = The disk { $path } is missing on the node.
disk-not-grown = The disk { $path } could not be enlarged. Shut its desktop down first.
image-damaged = The disk image { $path } is damaged: { $message }
published-damaged = The file { $path } is damaged. Save the template again.
