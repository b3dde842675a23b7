#!/bin/bash
# libvirtd.sh: starts libvirt's daemon when none answers, and lets guests use KVM. Never restarts one that runs.
set -euo pipefail
export LC_ALL=C
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -E "$@"; fi; }
answers() { root timeout 5 virsh -q -c qemu:///system uri >/dev/null 2>&1; }
"$(dirname "$0")/kvm.sh"
answers && exit 0

if [ -d /run/systemd/system ]; then
  # one daemon (Debian), or one per driver (Fedora)
  if systemctl cat libvirtd.service >/dev/null 2>&1; then root systemctl start libvirtd.service
  else root systemctl start virtqemud.socket virtnetworkd.socket virtstoraged.socket; fi
else
  # the log daemon of guests' consoles, which without systemd nobody else starts
  [ -S /run/libvirt/virtlogd-sock ] || root virtlogd -d
  root libvirtd -d
fi
for _ in $(seq 100); do answers && exit 0; sleep 0.1; done
echo "libvirt's daemon was started but does not answer; its log: journalctl -u libvirtd, /var/log/libvirt" >&2
exit 1
