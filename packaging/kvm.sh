#!/bin/bash
# kvm.sh [DEVICE]: lets QEMU's user open /dev/kvm where no udev does. libvirt would distrust what it knows of QEMU
# otherwise, and look at QEMU anew for each device of each desktop that it defines: a minute a desktop.
set -euo pipefail
device=${1:-/dev/kvm}
[ -e "$device" ] || exit 0
# With udev the rights are what its rules make them.
if [ $# = 0 ] && [ -e /run/udev/control ]; then exit 0; fi
getent group kvm >/dev/null || exit 0
read -r mode group < <(stat -c '%a %G' "$device")
if (( (8#$mode & 8#006) == 8#006 )); then exit 0; fi
if [ "$group" = kvm ] && (( (8#$mode & 8#060) == 8#060 )); then exit 0; fi
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
echo "$device was closed to QEMU's user (mode $mode, group $group): chgrp kvm, chmod 660" >&2
root chgrp kvm "$device"
root chmod 660 "$device"
