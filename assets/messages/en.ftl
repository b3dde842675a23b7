
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

## Node: links

node-link-lost = The node does not answer: the connection to its agent was lost. Check that the node runs and its network works; Carrel connects again by itself.
node-link-noise = What answered on the node is not Carrel's agent. Check that nothing prints text at login of its root user.
node-version-differs = The node's agent speaks protocol version { $theirs }, this controller { $ours }. Install the same version of Carrel on both.
node-too-slow = The node did not answer in time. Look at its load, and whether its libvirt service hangs.
node-frame-too-large = The request or its answer is too large for one message ({ $size } bytes, at most { $limit }). Do it in smaller parts.
node-busy = The node works on too many requests now. Try again in a moment.
