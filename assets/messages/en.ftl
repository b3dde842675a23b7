# Sentences for people, in English. zh-CN.ftl has the same keys.

## General
success = Succeeded
internal = Something went wrong inside the server. The log names the cause under this request id.
not-signed-in = Sign in first.
permission-missing = This needs the permission { $permission }. Ask an administrator for it.
request-from-another-site = The request came from a page of another site and was refused.
method-unknown = { $path } does not take { $method }. It takes { $allowed }.
route-unknown = There is nothing at { $path }.
request-malformed = The request could not be understood.

## Requests
body-unreadable = The body of the request broke off.
body-too-large = The body of the request is larger than { $limit }.
body-not-json = The body is not JSON (line { $line }, column { $column }).
body-not-an-object = The body must be a JSON object.
action-unknown = There is no action "{ $action }" here. Known: { $known }.
field-missing = The field { $field } is missing.
field-wrong = The field { $field } does not fit: { $reason }.
wants-whole-number = it must be a whole number
wants-count = it must be a whole number that is not negative
wants-number = it must be a number
wants-flag = it must be true, false, 0 or 1
wants-text = it must be text
wants-list = it must be a list
wants-object = it must be an object
wants-uuid = it must be a UUID
wants-address = it must be an IPv4 address such as 172.16.1.20
wants-one-of = it must be one of: { $known }
wants-another-form = it has another form
field-not-a-number = The field { $field } must be a whole number.
uuid-malformed = "{ $value }" is not a uuid.
time-malformed = The field { $field } must be a time like 2026-04-19 15:48:15, not "{ $value }".
name-empty = The field { $field } must not be empty.
name-too-long = The field { $field } is longer than { $limit } characters.
name-character = The field { $field } must not contain { $found }.
name-start = The field { $field } must not begin with "." or "-".
text-too-long = The field { $field } is longer than { $limit } characters.
text-not-utf8 = The text of the field { $field } cannot be read: send it as UTF-8.

## Lists
searchtype-unknown = The searchtype "{ $value }" is not one of all, contain, single.
filter-unknown = This list has no field { $name }. Its fields: { $fields }.
filter-too-wide = Too many rows ({ $count }) to look through for { $field }. Narrow them down to { $limit } by other fields.
filter-busy = Many others look through lists for such fields at this moment. Try again in a moment.
search-needs-a-column = This searchtype needs at least one of: { $columns }.
sort-column-unknown = The list cannot be sorted by "{ $column }".

## Operations
operation-scheduled = Accepted; it is done at the time asked for.
operation-goes-on = Accepted. The work goes on in the background.
operation-in-the-way = "{ $name }" is being worked on ({ $operation }). Try again when that is done.
outcome-unknown = This was begun. How it ended is not known yet, or was never noted.
operation-unknown = There is no operation { $uuid }.
operation-over = { $state ->
    [succeeded] The operation has succeeded already.
    [cancelled] The operation is cancelled already.
    [failed] The operation has failed already.
   *[partly] The operation is partly done already.
}
operation-undoing = What the operation did is being undone already. Wait for that; if it cannot come to its end, the operation can be abandoned.
operation-replaced = It had not begun, and a newer one took its place or there is nothing left to do.
operation-partly = Done in part; the task list says what is missing.
operation-not-stuck = Only an operation whose undo cannot come to its end can be abandoned.
operation-kind-unknown = Another version of Carrel began this operation ({ $kind }) and this version cannot go on with it. It was given up; what it left is mended when its node is looked at next.
log-operation-abandon = Abandon the undo of the operation on "{ $name }"
batch-empty = Name at least one.
batch-goes-on = { $succeeded } succeeded, { $failed } failed so far; the work goes on with { $left } more. Its operation tells how it ends.
batch-counts = { $succeeded } succeeded, { $failed } failed
batch-partly = Done in part. Not done for: { $names }
batch-failed = All { $failed } failed. The first reason: { $reason }
log-operation-cancel = Cancel the operation on "{ $name }"

## Store and settings
database-disk-full = The disk of the database is full. Free some room and repeat.
database-not-opened = The database, or a file beside it, cannot be opened. Its folder may be missing or closed to this user (run the command as the user that Carrel runs as: sudo -u carrel …), its file system mounted read-only, or too many files be open; the log has the cause.
database-read-only = The database cannot be opened for writing. Run the command as the user that Carrel runs as (sudo -u carrel …), and look whether its file system is mounted read-only.
data-dir-read-only = { $path } cannot be made or changed: the file system is read-only, or this user may not write there. Run the command as the user that Carrel runs as: sudo -u carrel …
database-busy = The database is locked by another process. Repeat in a moment.
database-newer = The database was written by a newer Carrel. Install that version again.
settings-unreadable = The settings { $path } cannot be read: { $cause }
settings-wrong = The settings { $path } are wrong: { $cause }
settings-tls-half = tls_certificate and tls_key belong together; one of them is missing.
settings-path-wrong = { $path } is not a usable path.
settings-log-wrong = The log filter "{ $value }" is not understood. Try info or carrel=debug.
listen-failed = { $address } cannot be listened on: { $cause }. Another program may use the port; choose another with --listen.


## Node: programs, storages and disks

cancelled = Stopped on request.
program-missing = The program { $program } is not installed on the node. Install it and try again.
program-failed = The program { $program } failed on the node: { $message }
program-too-slow = The program { $program } did not end within { $seconds } seconds on the node. Look at the node's load and disks.
storage-foreign = The storage { $path } holds the disks of another Carrel installation and is not touched. Give this one a storage of its own, or restore the database that belongs to it.
storage-unknown = { $path } is not a storage of this node.
storage-missing = The storage { $path } is not there or cannot be written. Mount it or correct its permissions on the node.
storage-not-mounted = The disk of the storage { $path } is not mounted on the node: the folder lacks Carrel's mark. Nothing is made or deleted there. Mount it; Carrel then goes on by itself. If what was on it is lost for good, make the folder { $mark }.
storage-full = The storage { $path } has no room: { $needed } needed, { $free } free besides the { $reserve } that stay reserved for running guests. Delete what is not used or choose another storage.
upload-stopped-for-room = The upload was stopped after { $received } and nothing of it was kept: the storage { $path } has no more room than the { $reserve } that stay reserved for running guests. Delete what is not used and upload the file again.
storage-ran-full = The storage of { $path } has run full. Delete what is not used and try again.
storage-read-only = The storage of { $path } is read-only. Look at the node's file systems.
layer-missing = The disk layer { $uuid } is missing on the node ({ $path }). Distribute its image or template to the node again.
disk-missing = The disk { $path } is missing on the node.
disk-lost = The disk { $path } of "{ $object }" is missing. What its user wrote is in that file alone, so no empty one is put in its place. Mount its disk or copy the file back from a backup, then start it again; or delete the desktop.
guest-does-not-obey = "{ $object }" was asked to shut down and still runs after { $seconds } seconds. It may be busy, or wait for an answer on its screen. Wait, look at its screen, or switch it off at once.
guest-cannot-obey = "{ $object }" stands still, since its disk cannot be written or its operating system crashed, and cannot shut itself down. Make room on the node and start it again, or switch it off at once.
disk-strayed = The disk { $path } does not stand on the layer { $layer }, which holds what was edited last. It is left as it is, so that nothing gets lost. Copy the template, which takes its last version, and go on with the copy.
disk-not-grown = The disk { $path } could not be enlarged. Shut its desktop down first.
image-damaged = The disk image { $path } is damaged: { $message }
published-damaged = The file { $path } is damaged. Save the template again.

## Node: links

strangers-run = { $count } guests run on this node that the database does not know: { $names }. They go on running. Either the database is an older one: put the newest back (carrel restore FILE) before they are shut down. Or nobody needs them: shut them down, and their disks are moved to the folder lost of their storage.
node-link-lost = The node does not answer: the connection to its agent was lost. Check that the node runs and its network works; Carrel connects again by itself.
node-link-noise = What answered on the node is not Carrel's agent. Check that nothing prints text at login of its root user.
node-version-differs = The node's agent speaks protocol version { $theirs }, this controller { $ours }. Install the same version of Carrel on both.
node-too-slow = The node did not answer in time. Look at its load, and whether its libvirt service hangs.
node-frame-too-large = The request or its answer is too large for one message ({ $size } bytes, at most { $limit }). Do it in smaller parts.
node-busy = The node works on too many requests now. Try again in a moment.
socket-taken = Another agent listens on { $path }. Stop it first.
socket-is-a-file = { $path } is a file and no socket. Choose another path for the agent's socket.
agent-not-listening = No agent listens on { $path }. Start the service carrel-agent.

## Node: uploads and layers

upload-missing = The upload is no longer on the node ({ $path }). Upload the file again.
upload-in-use = Another request sends bytes of this upload now. Wait until it has ended, then go on.
upload-waits-for-room = The storage { $path } has no more room than the { $reserve } that stay reserved for running guests. { $received } of the upload are kept: delete what is not used, then go on with it.
upload-truncated = Only { $received } of { $announced } arrived. Upload the file again.
upload-too-long = More arrived than the announced { $announced }. Upload the file again.
upload-damaged = The uploaded disk image is damaged or incomplete: { $message }
not-a-disk-image = The file is not a disk image. Known are qcow2, VMDK (one file), VDI, VHDX, VHD, ISO, and raw images with a partition table or boot sector.
image-packed = The file is packed ({ $kind }). Unpack it and upload the disk image in it: qcow2, VMDK, VDI, VHDX, VHD or ISO.
ova-damaged = The OVA cannot be read: { $message }. Export it once more.
ova-several-machines = The OVA holds several machines, or several descriptions of one. Export each machine by itself.
ova-no-disk = The machine in the OVA has no disk with anything on it.
ova-disk-missing = The OVA has no disk { $number }. It has { $disks }.
ova-disk-number = The disk of an OVA is named by its number, from 1.
ova-file-missing = The OVA lacks the file "{ $file }" that it describes. Export it once more, as one file.
ova-sum-wrong = The file "{ $file }" in the OVA is not what its manifest says: it was damaged or changed on its way. Export or download it once more.
image-unreadable = The file looks like a { $format } disk image, and cannot be read as one: { $message }
image-has-backing-file = The disk image stands on another file ({ $file }) and cannot be used alone. Convert it with: qemu-img convert -O qcow2 OLD NEW
image-has-data-file = The disk image keeps its data in another file and cannot be used alone. Convert it with: qemu-img convert -O qcow2 OLD NEW
image-encrypted = The disk image is encrypted. Upload it without encryption.
image-size-absurd = A disk of { $size } is outside of what Carrel supports (up to 16 TiB).
layer-in-use = The disk layer { $uuid } is still in use ({ $user }).
file-name-unknown = { $path } is not a file of Carrel's storages.
file-in-use = { $path } is the disk of a desktop or template that exists.

## Templates

template-unknown = There is no template { $uuid }.
template-classify-unknown = Field { $field } must be 1 (education) or 2 (personal), not { $value }.
template-version-nowhere = No node of the pool has version { $version } of template "{ $name }". Distribute the template again.
template-version-missing = Version { $version } of template "{ $name }" is not on this node. Distribute the template to the node again.
template-create = Create template { $name }
    .deed = being created
template-copy = Copy a template to { $name }
    .deed = being copied
template-start = Start template { $name }
    .deed = being started
template-stop = Shut down template { $name }
    .deed = being shut down
template-hard-stop = Switch off template { $name }
    .deed = being switched off
template-reboot = Restart template { $name }
    .deed = being restarted
template-hard-reboot = Switch template { $name } off and on
    .deed = being switched off and on
template-reset = Reset template { $name }
    .deed = being reset
template-edit = Edit template { $name }
    .deed = being started to be changed
template-revert = Go back to an older version of template { $name }
    .deed = being set back to an older version
template-save = Save template { $name }
    .deed = being saved
template-change = Change template { $name }
    .deed = being changed
template-delete = Delete template { $name }
    .deed = being deleted
template-export = Prepare the download of template { $name }
    .deed = a download is being prepared
template-flatten = Shorten the disk chain of template { $name }
    .deed = its disk chain is being shortened
log-template-create = Create template { $name }
log-template-copy = Copy a template to { $name }
log-template-start = Start template { $name }
log-template-stop = Shut down template { $name }
log-template-hard-stop = Switch off template { $name }
log-template-reboot = Restart template { $name }
log-template-hard-reboot = Switch template { $name } off and on
log-template-reset = Reset template { $name }
log-template-edit = Edit template { $name }
log-template-hardware = Change the hardware of template { $name }
log-template-first-start = Change what desktops of template { $name } run at their first start
log-template-revert = Go back to an older version of template { $name }
log-template-versions-delete = Remove old versions of template { $name }
log-template-save = Save template { $name }
log-template-update = Change template { $name }
log-template-delete = Delete template { $name }
log-template-save-cut = Switched off at once before saving, since its guest did not shut down in time: { $name }
log-template-save-frozen = Switched off at once before saving, since its guest did not shut down in time; its guest agent had written out its file systems: { $name }
log-template-download = Download template { $name }
log-template-send-key = Send Ctrl-Alt-Del to template { $name }
template-name-taken = There is already a template named "{ $name }". Choose another name.
template-in-the-works = Template "{ $name }" is being created, saved or deleted. Wait until that has ended.
template-broken = The deletion of template "{ $name }" did not end. Delete it again.
template-not-running = Template "{ $name }" is not running. Start it first.
template-must-be-off = Template "{ $name }" is running. Shut it down first, then change it.
template-version-unknown = Template "{ $name }" has no version { $version } in its history.
template-version-newest = Version { $version } is the newest one of template "{ $name }": it is what desktops get.
template-not-saved = Template "{ $name }" was edited and is not saved. Save it first: going back makes its working disks anew.
template-in-use = Template "{ $name }" is used by { $count ->
    [one] one desktop group
   *[other] { $count } desktop groups
 }: { $users }. Delete what uses it first.
template-being-downloaded = Template "{ $name }" is being downloaded. Wait until that has ended.
template-on-other-node = Template "{ $name }" is on a node that is not in resource pool "{ $pool }". Choose its own pool.
template-save-abandoned = Saving "{ $name }" was broken off and its node did not answer. What was edited is kept; the template can be used again when the node is back.
template-revert-abandoned = Going back to an older version of "{ $name }" was broken off and its node did not answer. Nothing is lost; the template can be used again when the node is back.
template-revert-failed = Going back to an older version of template "{ $name }" failed. It is as it was before.
template-save-failed = The last save of template "{ $name }" failed. Nothing that was edited is lost; save it again.
template-change-failed = The last change of template "{ $name }" failed and was taken back.
template-deletion-stopped = The deletion of template "{ $name }" was stopped. Delete it again.
template-being-created = Being created.
template-being-updated = Being updated.
template-being-deleted = Being deleted.
template-state-failed = A change of it did not end. Delete it again.
template-node-down = Node { $name } cannot say how it is: { $reason }
template-paused = It is paused. Start it to let it go on.
template-paused-disk-full = Paused: its disk cannot be written. Make room on the node's storage, then reset it.
template-unreadable = What Carrel wrote down about its virtual machine on the node cannot be read, so it is left as it is; it can only be deleted. The node's log says why.
template-crashed = Its virtual machine has crashed. Start it again.
template-cut = It was switched off at once, as by pulling the plug. What was not saved in it is lost.
save-time-past = The time in { $field } is past. Choose a later one.
pool-without-node = Resource pool "{ $name }" has no node that can run desktops. Add a node to it.
subnet-of-other-network = Subnet "{ $name }" does not belong to data network "{ $network }".
vcpu-out-of-range = Field { $field } must be from 1 to { $limit }.
memory-out-of-range = Field { $field } must be more than 0 and at most { $limit } GB, not { $value }.
memory-too-small = Field { $field } is too small: a machine needs at least { $least } MiB.
memory-beyond-node = { $wanted } MiB of memory are more than node { $name } has ({ $has } MiB). Choose less.
disk-size-out-of-range = Field { $field } must be more than 0 and at most { $limit } GB.
disk-smaller-than-image = The system disk must be at least as large as base image "{ $name }": { $least } GB.
disk-cannot-shrink = Disk { $disk } is { $size } GB large. Disks can only grow.
disk-order-twice = Two disks in { $field } have the same place (inx).
too-many-disks = A template can have at most { $limit } data disks.
download-unknown = This download link was used already or is no longer valid. Ask for a new one.
download-not-ready = The file of template "{ $name }" is still being prepared. Ask for a new download link later.
## Education groups, desktop groups, desktops
education-group-unknown = There is no education group { $uuid }.
not-in-your-groups = None of the groups in your charge uses { $uuid }. Choose something that one of them uses, or ask an administrator to set it up for the group first.
education-group-renamed = The education group is called "{ $name }" now, not "{ $given }". Load the list again.
education-group-name-taken = There is an education group "{ $name }" already. Choose another name.
terminal-range-taken = The addresses { $start } to { $end } overlap with the terminals of the education group "{ $name }" ({ $taken }). A terminal is known by its address and belongs to one group: choose addresses of its own.
terminal-range-taken-elsewhere = The addresses { $start } to { $end } overlap with the terminals of another education group. A terminal is known by its address and belongs to one group: choose addresses of its own.
education-group-in-use = The education group "{ $name }" has { $count ->
    [one] one desktop group
   *[other] { $count } desktop groups
 }: { $users }. Delete what it has first.
group-type-wrong = group_type must be 1, an education group.
terminal-range-backwards = The terminals' last address { $end } lies before the first, { $start }.
terminal-range-too-large = The terminals' range holds more than { $limit } addresses.
desktop-subnet-elsewhere = The subnet "{ $name }" does not belong to the data network "{ $network }".
log-education-group-create = Create education group "{ $name }"
log-education-group-update = Change education group "{ $name }"
log-education-group-delete = Delete education group "{ $name }"
desktop-group-unknown = There is no desktop group { $uuid }.
desktop-group-renamed = The desktop group is called "{ $name }" now, not "{ $given }". Load the list again.
desktop-group-has-data-disks = The desktops of "{ $name }" have the data disks of their template. Whether they have any is settled when the group is deployed; restoring them can be switched on and off.
desktop-group-keeps-data-disks = Desktops of "{ $name }" keep what is written to their data disks, which belong to template "{ $template }". Switch restoring of data disks on first; what was written to them is lost then.
desktop-group-keeps-system-disks = Desktops of "{ $name }" keep what is written to their system disks, which belong to template "{ $template }". Switch restoring of system disks on first; what was written to them is lost then.
desktop-group-name-taken = There is a desktop group "{ $name }" already. Choose another name.
desktop-group-creating = The desktop group "{ $name }" is still being made. Wait until that is done.
desktop-group-deleting = The desktop group "{ $name }" is being deleted.
desktop-group-must-be-off = { $count ->
    [one] One desktop
   *[other] { $count } desktops
 } of group "{ $name }" are on. In another network they get other addresses: shut all of them down first.
desktop-group-busy = The desktop group "{ $name }" is being made or deleted. Try again when that is done.
desktop-group-nodes-silent = { $count ->
    [one] One desktop of "{ $name }" is on a node that does not answer; what it does is not known.
   *[other] { $count } desktops of "{ $name }" are on nodes that do not answer; what they do is not known.
 } See the list of nodes.
desktop-template-updating = The template "{ $name }" is being worked on. Wait until that is done.
desktop-template-creating = The template "{ $name }" is still being made. Wait until that is done.
desktop-template-deleting = The template "{ $name }" is being deleted.
desktop-template-failed = The template "{ $name }" is broken after a failed change. See the list of templates for the reason.
template-not-for-education = The template "{ $name }" is one for personal desktops. Choose an education template.
template-of-another-pool = The template "{ $name }" does not belong to the resource pool "{ $pool }".
desktop-unknown = There is no desktop { $uuid }.
desktop-name-taken = There is a desktop "{ $name }" in this group already. Choose another name.
desktop-renamed = It is called "{ $name }", not "{ $given }". Load the list again.
desktop-of-another-group = The desktop "{ $name }" belongs to another desktop group.
desktop-type-wrong = desktop_type must be 1 (education) or 2 (personal).
desktop-creating = The desktop "{ $name }" is still being made. Wait until that is done.
desktop-deleting = The desktop "{ $name }" is being deleted.
desktop-not-running = The desktop "{ $name }" is not running. Start it first.
desktop-never-started = It was never started.
desktop-stopped = It was shut down by Carrel.
desktop-cut = It was switched off at once by Carrel, as by pulling the plug. What was not saved in it is lost.
desktop-shut-down-inside = It was shut down from inside, by its user.
desktop-switched-off = It was switched off.
desktop-start-failed = Its last start failed on the node. Start it again; if it fails again, the node's log says why.
desktop-off = It is off.
desktop-crashed = It crashed: its QEMU process ended. Start it again.
desktop-panicked = Its operating system crashed. Stop and start it again.
desktop-disk-failed = It stands still because its disk cannot be written: the storage is full or broken. Make room on the node, then start it again.
desktop-paused = It is paused. Start it to let it go on.
desktop-suspended = It sleeps. Start it to wake it.
number-out-of-range = The field { $field } must be between { $low } and { $high }.
desktop-memory-beyond-nodes = { $wanted } MiB of memory are more than the nodes of the resource pool have.
desktop-memory-too-large = { $wanted } MiB of memory are more than the node "{ $name }" has ({ $has } MiB).
desktop-memory-too-small = A desktop needs at least { $least } MiB of memory.
desktop-number-too-long = The number { $last } has more than { $digits } digits. Choose more digits or fewer desktops.
create-info-node-unknown = The resource pool has no node { $node } for desktops. It has: { $known }.
create-info-node-hidden = The resource pool has no node { $node } for desktops.
create-info-node-ambiguous = Several nodes have the address { $node }. Name each by its name or uuid instead.
create-info-sum = create_info gives { $sum } desktops, instance_num says { $count }.
pool-without-nodes = The resource pool "{ $name }" has no node for desktops.
screen-off = "{ $name }" is not running: there is no screen to be seen. Start it first.
console-ticket-unknown = This console address was used already or is older than 30 seconds. Ask for a new one.
console-needs-websocket = A console is opened with a WebSocket.
desktop-group-create = Deploy desktop group "{ $name }"
    .deed = being deployed
desktop-group-restore = Change desktop group "{ $name }"
    .deed = being changed
desktop-groups-delete = Delete desktop groups: { $name }
    .deed = being deleted
desktops-add = Add desktops to "{ $name }"
    .deed = desktops are being added
desktops-delete = Delete desktops: { $name }
    .deed = being deleted
desktop-rename = Rename a desktop to { $name }
desktops-start = Start desktops: { $name }
    .deed = being started
desktops-stop = Shut down desktops: { $name }
    .deed = being shut down
desktops-reboot = Restart desktops: { $name }
    .deed = being restarted
desktops-hard-stop = Switch off desktops: { $name }
    .deed = being switched off
desktops-hard-reboot = Switch desktops off and on: { $name }
    .deed = being switched off and on
desktops-correct = Correct what is restored of desktops: { $name }
    .deed = what is restored of it is being corrected
template-publish = Give desktops the newest version of template { $name } again
    .deed = desktops are being given its newest version again
desktops-remake = Make missing desktops anew: { $name }
    .deed = being made anew
log-desktop-group-create = Deploy desktop group "{ $name }"
log-desktop-group-start = Start desktop groups: { $name }
log-desktop-group-stop = Shut down desktop groups: { $name }
log-desktop-group-hard-stop = Switch off desktop groups at once: { $name }
log-desktop-group-reboot = Restart desktop groups: { $name }
log-desktop-group-active = Activate desktop groups: { $name }
log-desktop-group-inactive = Deactivate desktop groups: { $name }
log-desktop-group-update = Change desktop group "{ $name }"
log-desktop-group-delete = Delete desktop groups: { $name }
log-desktop-start = Start desktops: { $name }
log-desktop-stop = Shut down desktops: { $name }
log-desktop-reboot = Restart desktops: { $name }
log-desktop-hard-stop = Switch off desktops: { $name }
log-desktop-hard-reboot = Switch desktops off and on: { $name }
log-desktop-create = Add desktops to "{ $name }"
log-desktop-group-limits = Limit the desktops of group "{ $name }"
log-host-names = Change the host names of group "{ $name }"
log-first-start-again = Run the first start of desktops again: { $name }
log-desktop-rename = Rename desktop { $name }
log-desktop-delete = Delete desktops: { $name }
log-console-ticket = Ask for the console of "{ $name }"
log-viewer-file = Get a viewer's file of "{ $name }"
log-viewer-open = Open "{ $name }" in a viewer
log-console-open = Open the console of "{ $name }"

## Node: what the doctor looks at

check-qemu-img = qemu-img { $version } makes the disks.
check-qemu-img-repair = Nothing to do.
check-qemu-img-missing = qemu-img is missing or does not run: no disk can be made.
check-qemu-img-missing-repair = Install it: apt-get install qemu-utils, or dnf install qemu-img.
check-storage-room = The storage { $path } has { $free } of { $total } free.
check-storage-room-repair = Delete desktops, templates or images that nobody uses, or enlarge the file system. Desktops stop when it is full.
check-storage-unmade = The storage { $path } is made when the agent starts.
check-storage-unprepared = The storage { $path } is there, and Carrel has not worked in it.
check-storage-unprepared-repair = If Carrel has worked in it before, mount its disk. A new one is prepared when the agent starts: nothing is to be done.
check-storage-missing = The storage { $path } is not there or cannot be written.
check-storage-missing-repair = Mount it, and Carrel goes on by itself. Or correct its permissions, then restart Carrel.
check-storage-way = QEMU cannot reach the storage { $path }: the folder { $folder } is closed to its user.
check-storage-way-repair = Open the folder for passing through: chmod o+x FOLDER
check-clock = The clock is kept right by a time service.
check-clock-repair = Nothing to do.
check-clock-free = No time service keeps the clock right.
check-clock-free-repair = Install and start one: apt-get install chrony, or dnf install chrony.
check-clock-past = The clock is wrong: it stands before the day when this program was installed.
check-clock-past-repair = Set the clock: timedatectl set-ntp true, or date --set.
check-traffic-limits = { $count } machines have limits of their network, and the kernel of this node cannot hold traffic back: they cannot start ({ $reason }).
check-traffic-limits-repair = Install iproute2 and a kernel with the modules sch_htb, sch_sfq, sch_ingress, cls_fw, cls_u32 and act_police (those of Debian, Ubuntu and Fedora have them; on Fedora they are in kernel-modules-extra), or take the limits of the network from the groups.
check-firmware-missing = { $count } machines need UEFI, and this node has no firmware for them: they cannot start. One of them is { $name }.
check-firmware-missing-repair = Install it: apt-get install ovmf, or dnf install edk2-ovmf.
check-tpm-missing = { $count } machines have a TPM, and this node lacks the program for it: they cannot start. One of them is { $name }.
check-tpm-missing-repair = Install it: apt-get install swtpm swtpm-tools, or dnf install swtpm swtpm-tools.
check-sound-old = { $count } machines have a sound card, but this node carries no sound to the browser: that needs libvirt 9.0 and QEMU 7.2, and here are { $libvirt } and { $qemu }. One of them is { $name }.
check-sound-old-repair = Upgrade the node's operating system, or take the sound cards out of the hardware of the templates.
check-clipboard-old = { $count } machines share their clipboard, but this node cannot do that: it needs libvirt 8.4 and QEMU 6.1, and here are { $libvirt } and { $qemu }. One of them is { $name }.
check-clipboard-old-repair = Upgrade the node's operating system, or switch the clipboard off in the hardware of the templates.
check-spice-missing = { $count } machines have SPICE for viewers, and QEMU on this node has none: they cannot start. One of them is { $name }.
check-spice-missing-repair = Install it: apt-get install qemu-system-modules-spice, or dnf install qemu-ui-spice-core qemu-audio-spice qemu-char-spice qemu-device-display-qxl qemu-device-usb-redirect.
check-apparmor = AppArmor confines the desktops, with libvirt's profiles.
check-apparmor-repair = Nothing to do.
check-apparmor-profiles = AppArmor is on, but libvirt's profiles are missing: desktops run unconfined.
check-apparmor-profiles-repair = Install the profiles with libvirt: apt-get install --reinstall libvirt-daemon-system
check-selinux = SELinux is enforcing; the storage { $path } has the type { $type }.
check-selinux-repair = Give the storage the type virt_image_t: semanage fcontext -a -t virt_image_t "STORAGE(/.*)?", then restorecon -R STORAGE
## Inventory
pool-unknown = There is no resource pool { $uuid }.
pool-name-taken = There is a resource pool "{ $name }" already. Choose another name.
pool-is-default = The resource pool "{ $name }" is the default one and cannot be deleted.
pool-not-empty = The resource pool "{ $name }" still holds { $count ->
    [one] one thing
   *[other] { $count } things
 } ({ $users }). Delete or move what it holds first.
pool-nodes-down = Nodes of this pool that do not answer: { $nodes }.
statis-period-wrong = statis_period must be more than 1 and less than 60 seconds.
pool-copying = Images are being copied to the nodes of this pool.
node-unknown = There is no node { $uuid }.
node-not-a-controller = The node "{ $name }" is not a controller.
node-name-taken = There is a node "{ $name }" already. Choose another name.
node-unreachable = The node "{ $name }" does not answer. The list of nodes says why.
node-learning = libvirt looks at QEMU for the first time, and Carrel whether KVM executes guests. This can take a minute; desktops are made after it.
node-not-yet-connected = The node has not been connected since the controller started. Wait a moment.
node-without-agent = The database does not say how the agent of this node is reached. Add the node again.
node-hypervisor-down = libvirt on the node does not answer: { $reason } Start its libvirt service; Carrel connects again by itself.
node-without-storage = The node "{ $name }" has no storage for this: it was never connected, or its storages are missing.
log-pool-create = Create resource pool "{ $name }"
log-pool-edit = Edit resource pool "{ $name }"
log-pool-delete = Delete resource pools { $name }
log-node-rename = Rename node "{ $name }"

## Identity: passwords, sessions, set-up, users
password-too-short = The password is shorter than { $limit } characters. Choose a longer one.
password-too-long = The password is longer than { $limit } bytes. Choose a shorter one.
password-missing = No password came on standard input. Give it there, for instance: echo 'the password' | carrel admin set-password admin
password-not-text = The password is not valid UTF-8 text.
sign-in-failed = Invalid username or password
sign-in-locked = Too many failed attempts. Try again in { $seconds ->
    [one] one second
   *[other] { $seconds } seconds
 }, or ask an administrator to unlock the account.
sign-in-busy = Too many people are signing in at the same time. Try again in a moment.
account-disabled = The account { $name } is disabled. Ask an administrator to enable it again.
account-changed = The account was changed while you signed in. Sign in again.
old-password-wrong = The old password is wrong.
setup-done = There is an administrator already. Sign in with that account.
setup-link-wrong = This set-up link is not valid. Use the latest one that the server printed when it started, or run "carrel admin set-password admin" on the controller.
user-unknown = There is no user { $name }.
user-exists = There is a user { $name } already. Choose another name.
user-name-character = The field { $field } must consist of letters, digits and . _ - @ +, not { $found }.
last-administrator = { $name } is the last administrator who can sign in. Make another one first.
admin-made = The administrator { $name } was made.
admin-password-set = The password of { $name } was set; all sessions and API keys of that user ended.
admin-user-added = The user { $name } was made.
admin-disabled = { $name } was disabled; all sessions of that user ended.
admin-enabled = { $name } was enabled.
admin-unlocked = { $name } may try to sign in again, and so may all addresses.
admin-no-users = There are no users yet. Make an administrator with: carrel admin set-password admin
admin-list-seen = { $name }  { $roles }  last signed in { $at }
admin-list-unseen = { $name }  { $roles }  never signed in
admin-list-disabled = { $name }  { $roles }  disabled
database-missing = There is no database { $path }. Name the right directory with --data-dir.
log-sign-in = Sign in
log-sign-out = Sign out
log-setup = Create the first administrator "{ $name }"
log-own-password = Change one's own password
log-user-password = Set the password of "{ $name }"
log-user-create = Create the user "{ $name }"
log-user-disable = Disable the user "{ $name }"
log-user-enable = Enable the user "{ $name }"
log-user-unlock = Unlock the user "{ $name }"
## Base images

image-add = Check and add base image { $name }
    .deed = being checked and added
image-delete = Delete base image { $name }
    .deed = being deleted
image-resync = Verify base image { $name }
    .deed = being verified
image-unknown = There is no base image { $uuid } in this resource pool.
image-name-taken = There is already a base image named "{ $name }" in this resource pool. Choose another name.
image-in-use = Base image "{ $name }" is used by { $count ->
    [one] one template
   *[other] { $count } templates
 }: { $users }. Delete what uses it first.
image-not-ready = Base image "{ $name }" is being checked or deleted. Wait until that has ended.
image-copy-lost = Base image "{ $name }" is missing or damaged on node { $node } and no other node has a good copy. Upload the image again.
image-copy-under-way = Being copied to this node.
image-checking = The upload is complete and is being checked.
image-deleting = Being deleted.
image-without-copy = No node has this image. Upload it again.
image-and-iso = Give either a base image (system_disk.image_id) or an ISO (iso_uuid), not both.
disc-in-drive = ISO "{ $iso }" is already in a CD drive of template "{ $name }".
disc-not-in-drive = ISO { $uuid } is in no CD drive of template "{ $name }".
drives-full = Both CD drives of template "{ $name }" are taken: { $isos }. Eject one of them first.
drives-empty = There is nothing in the CD drives of template "{ $name }".
drive-missing = "{ $name }" runs without CD drives, since it was started before it had any. Shut it down first.
bus-switch-under-way = Template "{ $name }" is going over to another disk bus. Finish that first, in its hardware: say that the system came up, or undo it.
bus-switch-needless = The disks of template "{ $name }" are on the bus { $bus } already: only those on SATA and IDE go over.
bus-switch-target = The new disk bus is virtio or virtio-scsi.
bus-switch-minutes = Give the system between 1 and { $most } minutes to come up.
bus-switch-none = Template "{ $name }" is not going over to another disk bus. Begin that first.
bus-switch-tried-already = Template "{ $name }" is on its new disk bus already. Say whether its system came up, or undo it.
bus-switch-not-tried = Template "{ $name }" has not been started on its new disk bus yet. Try that first.
bus-switch-not-up = The system of template "{ $name }" did not come up from { $bus } in time: it is switched off and back on the disk bus that it had. Install the driver in it and try again.
bus-switch-forgotten = Template "{ $name }" was to go over to { $bus }, and nobody went on within a week: its small disk was taken away again.
driver-disk-not-plugged = Nothing can be plugged into the machine of template "{ $name }" while it runs. Shut it down and begin again.
template-bus-begin = Prepare template { $name } for another disk bus
template-bus-try = Try template { $name } on another disk bus
template-bus-confirm = Keep template { $name } on its new disk bus
template-bus-undo = Put template { $name } back on its former disk bus
log-template-bus-begin = Prepare template { $name } for another disk bus
log-template-bus-try = Try template { $name } on another disk bus
log-template-bus-confirm = Keep template { $name } on its new disk bus
log-template-bus-undo = Put template { $name } back on its former disk bus
log-bus-switch-up = Template { $name } came up on its new disk bus: its guest agent answers
log-bus-switch-late = Template { $name } did not go over to another disk bus in time: it is as it was before
template-attach = Insert an ISO into template { $name }
    .deed = getting an ISO into its CD drive
template-detach = Eject ISOs from template { $name }
    .deed = having an ISO ejected
log-template-attach = Insert an ISO into template { $name }
log-template-detach = Eject ISOs from template { $name }
log-disc-taken = The guest of template { $name } had its CD drive locked: the ISO was ejected by force
iso-add = Check and add ISO { $name }
    .deed = being checked and added
iso-delete = Delete ISO { $name }
    .deed = being deleted
iso-unknown = There is no ISO { $uuid }.
iso-name-taken = There is already an ISO named "{ $name }". Choose another name.
iso-in-use = ISO "{ $name }" is in the CD drive of { $count ->
    [one] one template
   *[other] { $count } templates
 }: { $users }. Eject it there first.
iso-not-ready = ISO "{ $name }" is being checked or deleted. Wait until that has ended.
iso-copy-lost = ISO "{ $name }" is missing or damaged on node { $node } and no other node has a good copy. Upload it again.
iso-without-copy = No node has ISO "{ $name }". Upload it again.
iso-type-unknown = There is no ISO type { $value }. Use 1 (software), 2 (tools) or 3 (operating system).
not-an-iso = The file is not an ISO: it has neither an ISO 9660 nor a UDF descriptor. Upload disk images as base images instead.
iso-truncated = The ISO is incomplete: { $received } arrived, and it says that it has { $claimed }. Upload it again from a complete file.
upload-no-room = The storage { $path } has no room for this upload: { $needed } needed, { $free } free besides the { $reserve } that stay reserved for running guests. Delete what is not used.
upload-too-large = The upload is larger than the { $limit } GiB allowed. Raise upload_limit_gib in carrel.toml if that is intended.
upload-not-multipart = Send the file as field "{ $field }" of a multipart/form-data body.
upload-broken-off = The upload ended before it was complete. Nothing of it was kept; upload the file again.
upload-two-files = Send one field "{ $field }" only.
upload-unknown = There is no unfinished upload { $uuid }: it was thrown away, or nobody went on with it for a day. Begin it anew.
upload-of-another = Upload { $uuid } was begun by somebody else. Only who began an upload can go on with it or throw it away.
upload-added = The upload of "{ $name }" has arrived whole and is an image, or being checked. Cancel its task, or delete the image.
upload-offset-wrong = The upload goes on at byte { $length }, not at { $offset }. Ask by HEAD for its Upload-Offset and send from there.
upload-offset-missing = The header Upload-Offset is missing: the byte from which on this request brings the upload.
upload-length-missing = The header Upload-Length is missing: the size of the file in bytes. It must be known from the beginning.
upload-empty = The file is empty.
upload-not-a-part = Send the bytes with the header Content-Type: { $wanted }.
upload-kind-unknown = There is no kind "{ $value }" of upload. Use base_image or iso in Upload-Metadata.
upload-metadata-malformed = Upload-Metadata cannot be read at "{ $field }": each key stands once, followed by a space and its value in base64; pairs are separated by commas.
upload-method-unknown = X-HTTP-Method-Override is "{ $value }". Use PATCH or DELETE.
uploads-too-many = You have { $limit } unfinished uploads, and no more are kept at a time. Finish one or throw one away.
tus-version-unknown = The header Tus-Resumable is "{ $given }". This server speaks version { $known }.
header-not-a-size = The header { $field } is "{ $value }", which is no number of bytes.
log-upload-begin = Begin the upload of { $name }
log-upload-cancel = Throw away the unfinished upload of { $name }
server-stopping = The server is being stopped. Try again when it runs.
log-image-upload = Upload base image { $name }
log-iso-upload = Upload ISO { $name }
log-iso-edit = Change ISO { $name }
log-iso-delete = Delete ISO { $name }
log-iso-download = Download ISO { $name }
log-machine-type-replaced = Given a newer machine type, since QEMU has the old one no longer: { $name }
log-lost-domain = Set aside, not known to the database: { $name }
log-lost-file = Set aside, not known to the database: { $name }
log-image-delete = Delete base image { $name }
log-image-edit = Change base image { $name }
log-image-resync = Verify base image { $name } on a node
log-image-mended = Finish the base image { $name }, whose writer was killed: its reference counts are made anew

## Node: libvirt

libvirt-down = libvirt does not answer on the node: { $reason }. Start its service (systemctl start libvirtd); Carrel connects again by itself.
libvirt-denied = libvirt on the node refuses access for "{ $object }": { $message }. Run the agent as root or add its user to the group libvirt.
libvirt-busy = libvirt is busy with "{ $object }" and did not finish in time: { $message }. Try again in a moment.
libvirt-no-memory = "{ $object }" could not get its memory on the node: { $message }. Shut other desktops down or give it less memory.
libvirt-unsupported = libvirt cannot do this with "{ $object }": { $message }
libvirt-failed = libvirt refused for "{ $object }": { $message }
virt-type-unknown = virt_type is "{ $value }"; it must be auto, kvm or qemu.
node-memory-short = "{ $object }" needs { $needed } MiB of memory, and the node has { $free } MiB free. Shut other desktops down, give it less memory or use another node.
domain-missing = "{ $object }" is not defined on the node. Check whether it was removed with other tools.
node-controller-replaced = Another controller with the same installation ID has connected to this node. One of the two is perhaps a copy of the machine of the other: stop the one that is not wanted.
agent-serves-another = The agent of this node works for the controller of another installation ({ $installation }). Stop that one first, or give this one a node of its own.
libvirt-uri-not-local = { $uri } is no libvirt of the node itself. Set libvirt_uri to qemu:///system, or leave it out.
storage-taken = Another agent of Carrel works in the storage { $path }. Stop it first: two would restore the same disks.
stored-damaged = What Carrel wrote down about "{ $object }" on the node cannot be read. It is left as it is: restore it from a backup of the node, or delete it with its disks.
stored-newer = "{ $object }" on the node was written by a newer version of Carrel (form { $form }; this version reads up to { $known }). It is left as it is: update Carrel, or delete it with its disks.
domain-foreign = The virtual machine "{ $object }" on the node has the same identity but does not belong to this installation of Carrel. Remove or rename it there.
domain-running = "{ $object }" is running. Shut it down first.
domain-not-running = "{ $object }" is not running. Start it first.
guest-agent-absent = No guest agent answers in "{ $object }". Install qemu-guest-agent in the template.
guest-agent-silent = The guest agent in "{ $object }" does not answer. Try again in a moment.
guest-agent-refuses = The guest agent in "{ $object }" does not do what it is asked ({ $command }: { $message }). On Red Hat and its kin allow guest-exec in /etc/sysconfig/qemu-ga of the template.
guest-run-ended = "{ $object }" was started anew before its guest was asked.
guest-run-over = "{ $object }" was started anew meanwhile.
first-start-runs = The first start of "{ $name }" is still under way. Try again when it has ended.
first-start-cut = The desktop was switched off while the script ran.
first-start-restarted = The guest was started anew while the script ran. It is not run again by itself.
first-start-restarts = The guest was started anew twice while the script ran or right behind it, so it was not run this time. A desktop that is restored must not be restarted by its script.
first-start-lost = It is not known whether the script ran: the answer of the guest was lost. Run it again if that does no harm.
first-start-silent = The guest agent fell silent while the script ran.
first-start-hangs = The script still ran after { $count ->
    [one] one minute
   *[other] { $count } minutes
 } and could not be ended; it was left running.
first-start-timeout = The script was ended after { $count ->
    [one] one minute
   *[other] { $count } minutes
 }. Give it more time in the template, or look at what it waits for.
first-start-failed = The script ended with code { $code }.
first-start-killed = The script was killed (signal { $signal }).
first-start-name = The guest did not take the host name { $name }.
first-start-script-long = The script is longer than { $limit } KiB. Put files that it needs into the template.
first-start-script-binary = The script is no text.
first-start-shell = Choose sh or powershell.
host-names-long = The pattern is longer than { $limit } characters.
host-names-placeholder = "{ $placeholder }" is no placeholder. There are {"{"}name{"}"}, {"{"}group{"}"}, {"{"}number{"}"}, and {"{"}number:3{"}"} for at least three digits.
host-name-empty = "{ $desktop }" would get an empty host name.
host-name-letters = "{ $desktop }" would get the host name "{ $name }". Only letters a to z, digits and hyphens are possible.
host-name-hyphen = "{ $desktop }" would get the host name "{ $name }", which begins or ends with a hyphen.
host-name-digits = "{ $desktop }" would get the host name "{ $name }". Windows refuses names of digits only: put letters before them.
host-name-long = "{ $desktop }" would get the host name "{ $name }". Windows takes at most { $limit } characters.
host-name-twice = "{ $desktop }" would get the host name "{ $name }", as "{ $other }" does. Put {"{"}number{"}"} or {"{"}name{"}"} into the pattern.
disk-unknown = "{ $object }" has no disk { $uuid }.
network-missing = The network "{ $object }" is not defined on the node. Save its data network again.
network-foreign = The network "{ $object }" on the node has the same identity but does not belong to this installation of Carrel. Remove it there.
network-in-use = The network "{ $object }" is used by: { $users }. Shut them down first.
network-over-another = The network "{ $object }" would cover { $cidr }, but the node itself reaches { $taken } by { $interface }: what goes there would end in the network. Choose another range.
network-without-dhcp = The DHCP server of the network "{ $object }" on the node does not start. The log of libvirt on the node says why.
network-without-subnet = The network "{ $object }" has no subnet. Add one first.
bridge-missing = There is no bridge on { $uplink } on the node. Make a bridge with { $uplink } as its port, or choose another uplink.
check-libvirt = libvirt { $version } answers at { $uri }.
check-libvirt-down = libvirt does not answer at { $uri }: { $reason }
check-libvirt-down-repair = Start its service: systemctl enable --now libvirtd. If it is not installed: install libvirt-daemon-system and qemu-system-x86 (Debian, Ubuntu) or libvirt-daemon-kvm (Fedora, RHEL).
check-kvm = KVM executes guests: desktops run at full speed.
check-kvm-absent = This machine has no /dev/kvm: desktops run by software emulation, ten to fifty times slower.
check-kvm-absent-repair = Switch on Intel VT-x or AMD-V in the firmware; in a virtual machine, nested virtualisation on its host. Then load the module kvm_intel or kvm_amd.
check-kvm-refused = KVM cannot be used: { $message } Desktops run by software emulation, ten to fifty times slower.
check-kvm-refused-repair = Let QEMU's user open /dev/kvm: it must be readable and writable by the group kvm, and QEMU's user must be in it.
check-kvm-closed = QEMU's user { $user } cannot open /dev/kvm: desktops run by software emulation, and libvirt examines QEMU anew for each device that it defines, up to a minute a desktop.
check-kvm-closed-repair = chgrp kvm /dev/kvm && chmod 660 /dev/kvm, or install udev, which does this at every start; { $user } must be in the group kvm.
check-kvm-hangs = /dev/kvm is there, but a guest under it executes nothing. Desktops run by software emulation, ten to fifty times slower.
check-kvm-hangs-repair = This happens in virtual machines whose host does not really nest KVM. Switch on nested virtualisation on the host, or move Carrel to another machine.
check-kvm-unknown = Whether KVM works could not be found out: { $message }
check-kvm-unknown-repair = Look at the log of libvirt (journalctl -u libvirtd), then run carrel doctor again.
check-slow = { $what ->
    [libvirt] libvirt
    [kvm] The check of KVM
    [networks] libvirt's list of networks
    [firmware] The list of machines
    [storage] The storage { $object }
    [qemu-img] qemu-img
    [clock] The clock
   *[other] AppArmor
 } did not answer in { $seconds } s.
check-slow-repair = Run carrel doctor again in a minute. If it stays so, look at the log of libvirt (journalctl -u libvirtd) and at the machine's load and disks.
check-networks-missing = libvirt has no driver for networks on this machine.
check-networks-missing-repair = Install libvirt-daemon-system and dnsmasq-base (Debian, Ubuntu) or libvirt-daemon-driver-network (Fedora, RHEL), then restart libvirtd.
check-networks-failed = libvirt cannot list its networks: { $message }
check-networks-failed-repair = Look at the log of libvirt (journalctl -u libvirtd -u virtnetworkd).
## Networks
switch-unknown = There is no virtual switch { $uuid }.
switch-name-taken = There is a virtual switch "{ $name }" already. Choose another name.
switch-type-wrong = "{ $value }" is no type of virtual switch. Use nat, flat or vlan.
switch-is-default = The virtual switch "{ $name }" is the default one and cannot be deleted.
switch-in-use = The virtual switch "{ $name }" is used by { $count ->
    [one] one data network
   *[other] { $count } data networks
 } ({ $users }). Delete what uses it first.
switch-uplinks-unsupported = This version cannot bind network cards to a virtual switch. Leave the field uplinks empty.
switch-without-uplink = It has no uplinks: no network card carries its networks.
network-unknown = There is no data network { $uuid }.
network-name-taken = There is a data network "{ $name }" already. Choose another name.
network-is-default = The data network "{ $name }" is the default one and cannot be deleted.
network-has-users = The data network "{ $name }" is used by { $count ->
    [one] one template or group
   *[other] { $count } templates or groups
 } ({ $users }). Delete or change what uses it first.
network-without-uplink = The data network "{ $name }" reaches no network card: its virtual switch has no uplinks. Use a data network of type nat, or give the switch uplinks.
network-vlan-missing = The virtual switch "{ $name }" is of type vlan: the network needs a vlan_id from 1 to 4094.
network-vlan-wrong = A vlan_id must be from 1 to 4094.
network-vlan-taken = The VLAN { $vlan } belongs to the data network "{ $name }" already.
network-vlan-unwanted = The virtual switch "{ $name }" is not of type vlan: leave vlan_id out.
network-no-free-prefix = No free range of addresses was found for the default network. Create a data network of your own.
subnet-unknown = There is no subnet { $uuid } in this data network.
subnet-name-taken = The data network has a subnet "{ $name }" already. Choose another name.
subnet-in-use = The subnet "{ $name }" is used by { $count ->
    [one] one template or group
   *[other] { $count } templates or groups
 } ({ $users }). Delete or change what uses it first.
subnet-full = The subnet "{ $name }" has too few free addresses: { $wanted } needed, { $free } free. Enlarge its range or use another subnet.
subnet-range-backwards = The last address { $end } is below the first address { $start }.
subnet-range-outside = The address { $address } is not usable in the network { $cidr }.
subnet-gateway-outside = The gateway { $address } is not usable in the network { $cidr } of the range.
subnet-gateway-taken = The gateway { $address } is reserved for a desktop or template of this data network. Choose another.
subnet-only-gateway = The range holds only the gateway { $address }. Enlarge it.
subnet-special = The network { $cidr } reaches into { $reserved }, where no guest can have an address. Choose private addresses, for example in 10.0.0.0/8.
subnet-dns-special = { $address } cannot be the address of a name server.
subnet-ranges-overlap = The range overlaps with the subnet "{ $name }" ({ $start } – { $end }).
subnet-shares-cidr = The subnet "{ $name }" is in the same network { $cidr }: netmask and gateway ({ $gateway }) must be the same.
subnet-cidr-taken = The data network "{ $name }" uses { $cidr } already. Networks of type nat must not overlap.
subnet-loses-address = { $count ->
    [one] Address { $address } of the subnet is in use and would not be usable any more.
   *[other] { $count } addresses of the subnet are in use, among them { $address }, which would not be usable any more.
 }
address-malformed = The field { $field } must be an IPv4 address, not "{ $value }".
address-outside-subnet = The address { $address } is not in the range { $start } – { $end } of the subnet "{ $name }".
address-taken = The address { $address } is reserved already.
netmask-wrong = "{ $value }" is no netmask like 255.255.255.0 (from 255.0.0.0 to 255.255.255.252).
network-create = Create data network "{ $name }"
    .deed = being created
network-edit = Edit data network "{ $name }"
    .deed = being changed
network-delete = Delete data network "{ $name }"
    .deed = being deleted
subnet-create = Create subnet "{ $name }"
    .deed = a subnet is being added
subnet-edit = Edit subnet "{ $name }"
    .deed = a subnet is being changed
subnet-delete = Delete subnet "{ $name }"
    .deed = subnets are being deleted
log-switch-create = Create virtual switch "{ $name }"
log-switch-edit = Edit virtual switch "{ $name }"
log-switch-delete = Delete virtual switches { $name }
log-network-create = Create data network "{ $name }"
log-network-edit = Edit data network "{ $name }"
log-network-delete = Delete data networks { $name }
log-subnet-create = Create subnet "{ $name }"
log-subnet-edit = Edit subnet "{ $name }"
log-subnet-delete = Delete subnets { $name }
## Data directory, backup, certificate
data-dir-in-use = A server runs on the data directory { $path }. Stop it first (systemctl stop carrel), or name another directory with --data-dir.
database-foreign = The database belongs to another program. Name the right directory with --data-dir.
database-unsound = The database { $path } is damaged: { $cause }. The server does not start, as it would take desktops that it cannot see for nobody's; nothing was changed. Put a backup in its place: carrel restore FILE. Without one, keep a copy of the file and let SQLite save what it can: sqlite3 { $path } .recover
database-damaged = The database is damaged or is none. Put a backup in its place: carrel restore FILE
backup-made = The database was copied to { $path }.
backup-restored = { $path } is the database now. The one before it is kept as { $kept }. Everybody has to sign in again. What was made since that backup is not deleted: when the server runs again, its domains are undefined and its disks moved to the folder lost in their storage.
backup-restored-first = { $path } is the database now. There was none before. Everybody has to sign in again. What the nodes have and this backup does not know is not deleted: when the server runs, its domains are undefined and its disks moved to the folder lost in their storage.
backup-exists = { $path } exists already and is not overwritten. Choose another name.
backup-missing = There is no file { $path }.
backup-unwritable = { $path } cannot be written: { $cause }
backup-no-room = There is no room for { $path }. Free some, or choose another disk.
backup-not-carrel = { $path } is not a database of Carrel, or it is damaged. Choose a file that "carrel backup" made.
tls-unusable = The certificate or key { $path } cannot be used: { $cause }. Give PEM files that Carrel's user may read.

## Doctor: the controller
doctor-good = [ ok ]
doctor-poor = [ !! ]
doctor-bad = [FAIL]
doctor-all-good = Nothing is in the way.
doctor-some-bad = Mend what is marked FAIL, then run "carrel doctor" again.
check-data-dir = The data directory { $path } has { $free } free.
check-data-dir-repair = Free some room: without it nothing can be changed any more.
check-data-dir-unmade = The data directory { $path } is made at the first start.
check-data-dir-unmade-repair = Nothing to do.
check-data-dir-closed = The data directory { $path } cannot be used: { $cause }
check-data-dir-closed-repair = Run this as the user of the server or as root, or give the directory to that user: chown -R carrel: DIRECTORY
check-database = The database { $path } is sound.
check-database-repair = Nothing to do.
check-database-newer = The database { $path } was written by a newer Carrel.
check-database-newer-repair = Install that version again, or restore a backup of this one: carrel restore FILE
check-database-damaged = The database { $path } is damaged or is none.
check-database-damaged-repair = Put a backup in its place: carrel restore FILE
check-port = The address { $address } is free.
check-port-repair = Nothing to do.
check-port-serving = Carrel is serving on { $address }.
check-port-serving-repair = Nothing to do.
check-port-elsewhere = Carrel is running, but not on { $address }.
check-port-elsewhere-repair = Restart it if that address was meant: systemctl restart carrel
check-port-taken = Another program uses the address { $address }.
check-port-taken-repair = Choose another port with "listen" in /etc/carrel/carrel.toml, or stop that program; "ss -ltnp" names it.
check-port-refused = The address { $address } cannot be listened on: { $cause }
check-port-refused-repair = Choose an address of this machine, and a port above 1023 unless root starts it, with "listen" in /etc/carrel/carrel.toml.
check-plain-local = Only this machine can connect, without encryption.
check-plain-local-repair = Nothing to do.
check-plain = Passwords cross the network readable: plain_http is on.
check-plain-repair = Remove plain_http from the settings, unless a proxy in front of Carrel encrypts.
check-certificate = The certificate { $path } and its key can be read; it holds until { $until }.
check-certificate-repair = Nothing to do.
check-certificate-unmade = The certificate { $path } is made at the first start.
check-certificate-unmade-repair = Nothing to do.
check-certificate-unusable = The certificate { $path } or its key cannot be used: { $cause }
check-certificate-unusable-repair = Give PEM files that Carrel's user may read with tls_certificate and tls_key, or remove both files to have new ones made.
check-certificate-ends = The certificate { $path } ends on { $until }.
check-certificate-ends-repair = Renew it. Carrel reads the new files by itself.
check-certificate-ended = The certificate { $path } ended on { $until }: browsers refuse it.
check-certificate-ended-repair = Renew it. Carrel reads the new files by itself.
check-certificate-early = The certificate { $path } does not hold before { $from }: browsers refuse it.
check-certificate-early-repair = Set this machine's clock, or give a certificate that holds now.

## Identity: accounts, roles, groups, keys, sessions
password-empty = The password is empty.
password-weak = The password is easy to guess. Choose a longer one, or less usual words.
password-unchanged = That is the password that has to be changed. Choose another one.
password-elsewhere = The password of { $name } is checked by { $source }. Change it there.
password-reset-needed = { $name } has to choose a new password first. Sign in at the web console, or with POST /api/account/login and POST /api/account/reset.
reset-session-wrong = Invalid session
account-awaits-mail = The e-mail address of { $name } is not confirmed. Open the link in the mail that was sent to it.
account-awaits-administrator = The account { $name } waits for an administrator to let it in.
user-name-alike = The name { $name } looks like that of the user { $other }. Choose another name.
email-taken = The e-mail address { $email } belongs to another user already.
email-wrong = The field { $field } is not an e-mail address.
user-has-more-rights = { $name } may do more than you ({ $permission }). Ask an administrator to do it.
own-account = { $name } is your own account. Ask another administrator to do it.
grant-beyond-own = You cannot give or take the permission { $permission }, which you do not have.
permission-unknown = There is no permission { $name }.
role-unknown = There is no role { $name }.
role-exists = There is a role { $name } already.
role-builtin = The role { $name } is built in and cannot be changed or deleted. Make a role of your own instead.
role-in-use = The role { $name } belongs to { $count ->
    [one] one user
   *[other] { $count } users
 }: { $users }. Give them another one first.
user-group-unknown = There is no user group { $name }.
user-group-exists = There is a user group { $name } already.
key-unknown = Not found
too-many-keys = You have { $limit } API keys. Delete those that are not used.
time-past = The time in { $field } is past.
session-unknown = There is no such session; it may have ended.
session-needed = An API key may not do this. Sign in with name and password.

csv-not-utf8 = Line { $line } of the file is not UTF-8. It was probably saved in GBK or another older character set: save it as "CSV UTF-8" and choose it again.
csv-malformed = Line { $line } of the file cannot be read as CSV.
csv-empty = The file names nobody. Its first line holds the headings, each further line one person.
csv-heading-unknown = The heading "{ $heading }" is not known. Known headings: { $known }.
csv-heading-twice = The heading "{ $heading }" names a column that is there already.
csv-without-name = The file has no column "name" with the user names. Known headings: { $known }.
csv-too-many-lines = The file names more than { $limit } people. Import them in several files.
csv-line-too-long = The line has more cells than there are headings.
import-lines-wrong = { $count ->
    [one] One line of the file is wrong
   *[other] { $count } lines of the file are wrong
 }, the first is line { $line }. Nobody was added.
import-nobody = No line of the file can be used.
users-import = Import users: { $name }
log-user-import = Import the users { $name }
log-user-edit = Change the user "{ $name }"
log-user-delete = Delete the user "{ $name }"
log-user-group-create = Create the user group "{ $name }"
log-user-group-edit = Change the user group "{ $name }"
log-user-group-delete = Delete the user group "{ $name }"
log-role-create = Create the role "{ $name }"
log-role-edit = Change the role "{ $name }"
log-role-delete = Delete the role "{ $name }"
log-key-create = Create the API key "{ $name }"
log-key-edit = Change the API key "{ $name }"
log-key-delete = Delete the API key "{ $name }"
log-session-end = End a session of "{ $name }"
log-session-end-others = End the other sessions of "{ $name }"
log-settings-edit = Change settings of the server { $name }
log-policy-edit = Change the rules of signing in
log-own-account = Change one's own account

permission-overview-view = See counts and charts
permission-users-manage = Add, change and delete users
permission-users-view = See users, groups, roles and sessions
permission-roles-manage = Create, change and delete roles
permission-ssh-keys-manage = Give and take ssh access to nodes, also as root
permission-ssh-keys-view = See ssh keys on nodes
permission-settings-manage = Change settings of the installation
permission-audit-view = Read the audit log
permission-operations-view = See long work
permission-operations-cancel = Cancel long work
permission-nodes-view = See nodes
permission-nodes-manage = Add and change nodes
permission-pools-view = See resource pools
permission-pools-manage = Change resource pools
permission-images-view = See base images
permission-images-manage = Upload and change base images
permission-networks-view = See networks
permission-networks-manage = Change networks
permission-templates-view = See templates
permission-templates-manage = Create and change templates
permission-groups-view = See education and user groups of desktops
permission-groups-manage = Change education and user groups of desktops
permission-desktops-view = See desktops
permission-desktops-manage = Deploy, change and delete desktops
permission-desktops-power = Start and stop desktops
permission-desktops-console = Open screens of others' desktops
permission-api-view = Read the description of the APIs
permission-analysis-cancel = Cancel analysis tasks
permission-references-create = Create references
permission-samples-create = Create samples
permission-models-modify = Change models
permission-subtractions-modify = Change subtractions
permission-files-delete = Delete files
permission-analysis-delete = Delete analysis tasks
permission-files-upload = Upload files

## ssh keys
ssh-key-wrong = The field { $field } is no public ssh key. Give one line as in ~/.ssh/id_ed25519.pub, without options.
ssh-key-private = This is a private key. Keep it to yourself and give the line of the file that ends in .pub.
ssh-key-weak = This kind of key is too weak. Make a new one: ssh-keygen -t ed25519
ssh-key-exists = The key { $name } is there already.
ssh-key-mode-unknown = { $field } must be ip or user, not { $value }.
ssh-key-unknown = There is no ssh key { $name }.
ssh-grant-exists = The user signs in as { $name } there already.
ssh-grant-unknown = There is no ssh access { $name }.
duty-networks = Networks
duty-domains = Desktops and templates
duty-ssh-keys = ssh keys
duty-left-uploads = Uploads left behind
duty-ejected-discs = CDs that guests ejected
duty-bus-switches = Templates that go over to another disk bus
duty-left-saves = Saves of templates that were broken off
duty-unused-layers = Layers and downloads no longer needed
ssh-keys-refused = The node refused the keys of these system users: { $names }
ssh-grant-without-key = The user has no public key yet.
system-user-unknown = The node has no account { $name }. Make it there first.
system-user-no-login = No person signs in to the account { $name }: it belongs to a service, or its shell forbids it.
system-user-home = { $path } of the account { $name } cannot be used: it is missing, a link, or belongs to somebody else.
authorized-keys-strange = authorized_keys is no ordinary file, or is larger than 1 MiB.
log-ssh-key-create = Add the ssh key of "{ $name }"
log-ssh-key-delete = Delete the ssh key of "{ $name }"
log-ssh-grant = Give ssh access to "{ $name }"
log-ssh-revoke = Take ssh access from "{ $name }"
## Second factor
second-factor-required = Administrators need a second factor here. Set yours up first: My account, Password and second factor.
second-factor-demanded = Administrators need a second factor here: yours cannot be turned off as long as the settings say so.
second-factor-needed = Enter the code of your authenticator app, or a recovery code.
second-factor-wrong = The code is wrong or was used already. Wait for the next one of your app, or use a recovery code.
second-factor-on = { $name } has a second factor already. Switch it off first.
second-factor-off = { $name } has no second factor.
second-factor-not-begun = Begin to set up the second factor first.
second-factor-elsewhere = { $name } signs in at an identity provider. Set up a second factor there.
second-factor-unreadable = The second factor of { $name } cannot be read, because the server has another key than it was set up with. Use a recovery code, or ask an administrator to take the second factor off.
password-wrong = The password is wrong.
sealed-unreadable = What was sealed with the key { $path } cannot be read. Put the key's file of that time back.
secret-key-damaged = The key { $path } cannot be read. Put the file back from your copy, or remove it: second factors then have to be set up again.
admin-second-factor-removed = The second factor of { $name } was taken off.
log-second-factor-start = Begin to set up the second factor of "{ $name }"
log-second-factor-on = Turn on the second factor of "{ $name }"
log-second-factor-off = Turn off the second factor of "{ $name }"
log-second-factor-recovery = Make new recovery codes of "{ $name }"
log-user-second-factor = Take the second factor off the user "{ $name }"
# The audit log as a file
log-audit-export = Export the operation log { $name }
audit-column-time = Time
audit-column-user = User
audit-column-address = Address
audit-column-content = Operation
audit-column-subject = Object
audit-column-result = Result
audit-column-succeeded = Succeeded
audit-column-module = Part
audit-column-request = Request
audit-module-education = Teaching
audit-module-templates = Templates
audit-module-images = Base images
audit-module-isos = ISO files
audit-module-data-network = Data networks
audit-module-vswitch = Virtual switches
audit-module-resource-pool = Resource pools
audit-module-node = Nodes
audit-module-operations = Tasks
audit-module-identity = People
audit-module-settings = Settings
audit-module-audit = Operation log
## Identity: documents 000, 001 and 004, registration
account-unauthorized = Requires authorization
account-not-found = Not found
account-credentials-wrong = Invalid credentials
account-password-too-short = Password does not meet minimum length requirement ({ $limit })
account-email-wrong = The format of the email is invalid
account-old-password-needed = The old password needs to be given in order for the password to be changed
account-new-password-needed = The new password needs to be given in order for the password to be changed
account-field-missing = field required
account-field-null = Value may not be null
account-field-text = str type expected
account-field-flag = value could not be parsed to a boolean
account-field-object = value is not a valid dict
account-field-workflow = value is not a valid enumeration member; permitted: 'aodp', 'iimi', 'nuvs', 'pathoscope_bowtie'
account-field-empty = ensure this value has at least 1 characters
authorization-wrong = Invalid authorization header
authorization-malformed = Malformed Authorization header
account-updated = Updated
passwords-differ = The two passwords differ.
manager-delete-refused = Only who may manage users ({ $permission }) can delete users.
manager-list-refused = Only who may see users ({ $permission }) can list them.
manager-update-refused = Only who may manage users ({ $permission }) can change roles of users.
permission-by-role = { $name } has the permission { $permission } ({ $code }) by a role or a group. Change that in the console.
batch-too-large = Name at most { $limit } at once.
registration-closed = Registration is closed. Ask an administrator for an account.
registration-slowed = Too many accounts were asked for from here. Try again in { $seconds } seconds.
register-mail-sent = A mail was sent to your address. Open the link in it within 24 hours to confirm the address.
register-mail-under-way = A mail is on its way to your address. Open the link in it within 24 hours to confirm the address.
register-mail-failed = The mail to your address could not be sent. An administrator has to let you in.
register-awaits-administrator = The account was made. An administrator has to let you in.
confirm-link-wrong = This link was used already, has expired or is not complete. Sign in, or register again.
mail-busy = Too many mails wait to be sent. Try again in a few minutes.
mail-failed = The mail server did not take the mail.
mail-confirm-subject = Confirm your e-mail address for Carrel
mail-confirm-body =
    Hello { $name },

    somebody, probably you, asked for an account at { $base } with this e-mail address.
    Open this link within 24 hours to confirm the address:

    { $link }

    If it was not you, do nothing: without the link nobody can use the account, and it is deleted.
smtp-unusable = The settings of the mail server cannot be used: { $cause }
settings-smtp-half = The mail server needs { $key } too.
settings-proxy-wrong = trusted_proxies takes addresses and networks such as 192.0.2.7 or 10.0.0.0/8, not { $value }.
settings-url-wrong = public_url must be like https://carrel.school.example, not { $value }.
settings-shutdown-wrong = shutdown_seconds must be between { $least } and { $most }.
log-register = Ask for an account
log-mail-confirm = Confirm the e-mail address of an account
log-own-settings = Change settings of one's own account
log-key-purge = Delete all one's own API keys

## Sign-in checked elsewhere: directory and identity provider
settings-section-wrong = The section [{ $section }] of the settings is wrong: { $cause }
directory-unreachable = The directory server does not answer; only accounts of Carrel itself can sign in now. The server's log names the cause.
directory-refuses = The directory server refuses to look anybody up; only accounts of Carrel itself can sign in now. The server's log names the cause; the section [ldap] of the settings may be wrong.
ca-file-unusable = The certificates { $path } cannot be read. Correct ca_file in the settings.
outsider-name-taken = The name { $name } belongs to another account here. Ask an administrator to rename one of them.
outsider-name-unusable = The name "{ $given }" that you have where you sign in cannot be used here: it may hold letters, digits, spaces and . _ - @ + ' # ·, at most 64 characters. Ask an administrator.
outsider-without-role = { $name } is in no group that may use Carrel. Ask an administrator.
check-directory = The directory { $url } answers.
check-directory-repair = Nothing to do.
check-directory-plain = Passwords go readable over the network to the directory { $url }.
check-directory-plain-repair = Use ldaps:// or starttls = true in the section [ldap] of the settings.
check-directory-unusable = The directory { $url } cannot be asked: { $cause }
check-directory-unusable-repair = Correct the section [ldap] of /etc/carrel/carrel.toml, or look at the directory server.
oidc-off = Sign-in at an identity provider is not set up.
oidc-unreachable = The identity provider does not answer. Try again in a moment, or sign in with a password. The server's log names the cause.
oidc-issuer-wrong = The identity provider calls itself { $said }, and the settings call it { $issuer }. An administrator has to correct "issuer" in the settings.
oidc-denied = The sign-in was stopped at the identity provider.
oidc-refused = The identity provider let nobody in. The server's log names the cause.
oidc-state-wrong = This sign-in was not begun in this browser, took too long, or was used already. Begin again.
oidc-token-wrong = What the identity provider said cannot be believed. The server's log names the cause.
oidc-without-name = The identity provider says no name that can be used here ({ $claim }). Ask an administrator to correct the settings.
check-provider = The identity provider { $url } answers.
check-provider-repair = Nothing to do.
check-provider-unusable = The identity provider { $url } cannot be asked: { $cause }
check-provider-unusable-repair = Correct the section [oidc] of /etc/carrel/carrel.toml, or look at the identity provider.

# Hardware of machines
hardware-ide-needs-i440fx = Disks on IDE need the chipset i440fx. Choose i440fx, or SATA.
hardware-ide-disks = A machine with IDE has room for two disks beside its CD drives. Choose another bus for more.
hardware-secure-boot-needs-q35 = Secure boot needs the chipset q35.
hardware-tpm-needs-uefi = A TPM 2.0 needs UEFI as firmware.
hardware-boot-empty = Say what the machine boots from: at least one of disk, CD and network.
hardware-boot-twice = Each device stands once in the boot order.
hardware-video-memory = The memory of the video card is a power of two from 1 to 512 MiB.
hardware-video-memory-of-virtio = A virtio video card has no memory of its own. Leave it out.
hardware-video-resolution = The first resolution is from 640x480 to 7680x4320.
file-too-large = { $path } is larger than such a file can be.
firmware-state-damaged = What the firmware kept cannot be unpacked.
traffic-limits-impossible = This node cannot limit the network of machines: { $reason } Its kernel needs the modules sch_htb, sch_sfq, sch_ingress, cls_fw, cls_u32 and act_police, and iproute2 must be installed. Limits of disks work without them.
cpu-impossible-here = This node's processor is not all that { $model } of the template's hardware is, or libvirt does not know that model. Choose the pool's common processor under "Hardware", or take the node out of the pool.
cpu-untold = A node of the pool does not tell what its processor is: QEMU for x86 and KVM must work on it.
hardware-unknown-here = QEMU on this node has no machine { $what }. Install QEMU's package for x86, or choose another chipset.
firmware-missing = The node has no firmware for machines with { $what }. Install it there: apt-get install ovmf, or dnf install edk2-ovmf.
tpm-missing = The node lacks the program for machines with a TPM. Install it there: apt-get install swtpm swtpm-tools, or dnf install swtpm swtpm-tools.
spice-missing = QEMU on the node has no SPICE. Install it there: apt-get install qemu-system-modules-spice, or dnf install qemu-ui-spice-core qemu-audio-spice qemu-char-spice qemu-device-display-qxl qemu-device-usb-redirect. Or leave the group with the browser's console only.
spice-at-next-start = { $name } runs without SPICE still: it has it from its next start on.
rdp-silent = The system of { $name } does not answer by RDP (at { $address }, port 3389). Switch Remote Desktop on in the system, or install xrdp; the node must reach the desktop's network.
rdp-without-address = { $name } has no address.
viewer-spice-off = The group of { $name } is for the browser's console only. Choose SPICE in the group's settings; desktops have it from their next start on.
viewer-unknown = There is no viewer { $kind }: spice or rdp.
viewer-behind-proxy = This page came by a proxy, through which viewers cannot come. Name the host and port of this server itself in the settings file (viewer_address).
settings-viewer-address-wrong = viewer_address is a host and a port, such as desks.example:443, not { $value }.
domain-without-disk = { $object } has no disk.
hardware-cpu-name = The processor model is one of the names that libvirt knows, such as Skylake-Client: letters, digits, dashes, dots.
template-firmware-misfit = { $boots ->
    [uefi] The image { $image } starts with UEFI only, and the machine has BIOS: it will not start. Choose UEFI under "Hardware".
   *[bios] The image { $image } starts with BIOS only, and the machine has UEFI: it will not start. Choose BIOS under "Hardware".
 }
