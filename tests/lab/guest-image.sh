#!/bin/bash
# guest-image.sh OUTDIR: builds the tests' tiny bootable guest from Debian packages.
#
#   guest.qcow2           boots from disk (syslinux, MBR, FAT16; partition 2 holds the guest's state)
#   guest.iso             boots from CD-ROM (isolinux; also as a raw disk)
#   vmlinuz, initrd.cpio, cmdline   direct kernel boot
#
# With GUEST_HARDWARE=1 it knows all disks and cards that Carrel's machines have, and its files are
#
#   guest.qcow2           boots from disk by BIOS and by UEFI
#   installer.iso         boots by UEFI, installs the guest on the empty disk (ESP with GRUB; the mark is
#                         "installed"), and switches the machine off: GUEST INSTALLED
#
# The guest asks for an address on every NIC, counts its boots and keeps a "mark" on /dev/vda2, powers off on
# the ACPI button, and answers http on port 80:
#   /cgi-bin/status      boots=N, mark=WORD, addresses, MACs and what SMBIOS says, one per line
#   /cgi-bin/hardware    vendor and device of each PCI card, as lspci -n has them; the disk; all disks; the firmware
#   /cgi-bin/mark?WORD   writes the mark (with fsync)
#   /cgi-bin/reboot      reboots from inside
#   /cgi-bin/poweroff    shuts down from inside
#   /cgi-bin/deaf        from now on the power button is not heard
#   /cgi-bin/cd?N        what the text files of CD drive N hold (of IDE drives)
#   /cgi-bin/hold?N      mounts the CD, which locks the drive
#   /cgi-bin/eject?N     opens the drive
#   /cgi-bin/seed        meta-data of the CD that is labelled cidata (of IDE drives)
#   /cgi-bin/ran         what is in /tmp/ran
#   /cgi-bin/clock       the time that the agent was told last
#   /cgi-bin/frozen      whether the agent holds file systems
#   /cgi-bin/rdp         begins to hand what comes to port 3389 on to the same port of its gateway
#   /cgi-bin/agent       begins to answer on the guest agent's channel: shutdown, what it is asked of the guest, programs,
#                        the clock (only noted, in /tmp/clock) and holding file systems (takes two seconds; the mark
#                        is "frozen" then). In the place of one that answers already
#   /cgi-bin/agent?lies  the same with texts that are too long, and addresses that are none
#   /cgi-bin/agent?noise answers in no form at all
#   /cgi-bin/agent?mute  says that it is there, and answers no question
#   /cgi-bin/agent?late  answers each question when nobody waits for it any more
#   /cgi-bin/agent?flood answers with a gigabyte
#   /cgi-bin/agent?proud refuses to shut down, and does all else
#   /cgi-bin/agent?stuck says nothing to that, and does not do it
# Its serial line says: GUEST BOOT boots=3 mark=hello disk=/dev/vda2 up=4.3 / GUEST READY eth0 ip=... up=4.9
# Boots in 80 MiB of memory in about 5 s without KVM (76 MiB is the least).
#
# GUEST_KERNEL=/path/bzImage uses that kernel instead; it needs virtio, evdev and the ACPI button built in.
# Idempotent: a finished build with the same inputs is left alone (FORCE=1 rebuilds).
set -euo pipefail
OUT=${1:?usage: guest-image.sh OUTDIR}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir -p "$OUT"; OUT=$(cd "$OUT" && pwd)
exec 9>"$OUT/.lock"; flock 9

for p in busybox gcc mcopy mkfs.fat xorriso cpio qemu-img sfdisk strip syslinux apt-get; do
  command -v "$p" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$p" >/dev/null ||
    { echo "guest-image.sh: $p is missing; packaging/prepare.sh test installs it" >&2; exit 1; }
done
PATH=$PATH:/usr/sbin:/sbin

stamp=$( { cat "$(readlink -f "$0")" ${GUEST_KERNEL:+"$GUEST_KERNEL"}; echo "${GUEST_HARDWARE:-}"; } | sha256sum | cut -c1-16)
if [ -n "${GUEST_HARDWARE:-}" ]; then PACKAGE=linux-image-amd64 ISO=installer.iso; else PACKAGE=linux-image-cloud-amd64 ISO=guest.iso; fi
if [ -z "${FORCE:-}" ] && [ -s "$OUT/guest.qcow2" ] && [ -s "$OUT/$ISO" ] &&
   [ "$(cat "$OUT/.stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "guest: up to date in $OUT"; exit 0
fi

# --- kernel: the newest of the configured Debian suite, unpacked, not installed
W=$OUT/.work; mkdir -p "$W"; cd "$W"
if [ -z "${GUEST_KERNEL:-}" ] && [ ! -d k/boot ]; then
  meta() { apt-cache depends "$PACKAGE" 2>/dev/null | awk '/Depends: linux-image-/{print $2; exit}'; }
  fetch() {
    apt-get download -q "$1" >>"$OUT/apt.log" 2>&1 ||
      { apt-get update -q >>"$OUT/apt.log" 2>&1; apt-get download -q "$1" >>"$OUT/apt.log" 2>&1; }
    dpkg-deb -x "$1"_*.deb "$2"; rm -f "$1"_*.deb
  }
  pkg=$(meta); [ -n "$pkg" ] || { apt-get update -q >>"$OUT/apt.log" 2>&1; pkg=$(meta); }
  rm -rf k.tmp; fetch "$pkg" k.tmp
  [ -z "${GUEST_HARDWARE:-}" ] || fetch grub-efi-amd64-signed k.tmp
  mv k.tmp k
fi
if [ -n "${GUEST_KERNEL:-}" ]; then M=; cp "$GUEST_KERNEL" "$OUT/vmlinuz"
else KV=$(basename k/lib/modules/*); M=k/lib/modules/$KV/kernel; cp k/boot/vmlinuz-"$KV" "$OUT/vmlinuz"; fi

# --- initramfs
rm -rf r; mkdir -p r/{bin,dev,proc,sys,lib,tmp,www/cgi-bin}
cp "$(command -v busybox)" r/bin/busybox
for a in sh mount insmod mkdir cat echo ip udhcpc poweroff reboot dd head tail sleep sync printf ls hexdump \
         grep cut tr touch readlink hostname httpd uname free dmesg ping nc vi ps kill blockdev setsid getty seq expr date \
         mknod mkfifo ln od awk sed wc df mke2fs base64 env mktemp timeout rm umount cp modprobe mkdosfs sha256sum route ifconfig arp telnet wget nslookup; do
  ln -s busybox r/bin/$a
done
# busybox has no eject: CDROMEJECT of <linux/cdrom.h>, without a libc
gcc -Os -static -nostdlib -fno-stack-protector -x c -o r/bin/eject - <<'C'
static long call(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}
void go(long *sp) {                       // argc, argv[0], argv[1]
  long fd = call(2, sp[2], 04000, 0);     // open, O_NONBLOCK: also an empty drive
  call(60, fd < 0 || call(16, fd, 0x5309, 0) < 0, 0, 0);
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n  call go\n");
C
n=0
for m in drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev \
         drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk \
         net/core/failover drivers/net/net_failover drivers/net/virtio_net \
         drivers/virtio/virtio_balloon drivers/char/virtio_console drivers/input/evdev drivers/acpi/button; do
  [ -n "$M" ] || break
  cp "$M/$m.ko" "r/lib/$(printf %02d $n)-${m##*/}.ko"; n=$((n+1))
done
mkdir -p r/lib/cd; n=0
for m in scsi/scsi_common scsi/scsi_mod ata/libata ata/ata_piix cdrom/cdrom scsi/sr_mod ../fs/isofs/isofs; do
  [ -n "$M" ] || break                    # loaded when a CD is asked for: no boot waits for them
  cp "$M/drivers/$m.ko" "r/lib/cd/$n-${m##*/}.ko"; n=$((n+1))
done
if [ -n "${GUEST_HARDWARE:-}" ]; then    # with what they need themselves
  modules() {
    local name file
    for name in "$@"; do
      file=$(find "$M" -name "${name//_/[-_]}.ko"); [ -n "$file" ] || continue        # it is built in
      [ -e "r/lib/modules/$KV/${file##*/}" ] && continue
      cp "$file" "r/lib/modules/$KV/"
      # shellcheck disable=SC2046
      modules $(sed -zn 's/^depends=//p' "$file" | tr ',\0' '  ')
    done
  }
  mkdir -p "r/lib/modules/$KV"
  modules ahci ata_piix virtio_scsi sd_mod sr_mod isofs vfat nls_cp437 nls_ascii e1000 e1000e 8139cp 8139too
  strip -g "r/lib/modules/$KV"/*.ko; busybox depmod -b r "$KV"
fi
[ -z "$M" ] || strip -g r/lib/*.ko r/lib/cd/*.ko        # smaller, and no signature to verify at load

cat >r/init <<'G'
#!/bin/sh
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev 2>/dev/null
say() { echo "$*" >/dev/ttyS0; echo "$*" >/dev/tty0; } 2>/dev/null
for m in /lib/*.ko; do [ -e $m ] && insmod $m; done
if [ -d /lib/modules ]; then              # whatever card and controller is there
  modprobe -q sd_mod
  for m in $(cat /sys/bus/pci/devices/*/modalias) $(cat /sys/bus/virtio/devices/*/modalias); do modprobe -q $m; done
  n=0; until [ -b /dev/vda ] || [ -b /dev/sda ] || [ $n = 100 ]; do sleep 0.1; n=$((n+1)); done
  if grep -qw install /proc/cmdline; then
    T=/dev/vda; [ -b $T ] || T=/dev/sda
    modprobe -a sr_mod isofs vfat nls_cp437 nls_ascii; mkdir /cd /new
    until mount -t iso9660 -o ro /dev/sr0 /cd 2>/dev/null; do sleep 0.2; done
    dd if=/cd/partitions of=$T conv=fsync 2>/dev/null; blockdev --rereadpt $T
    until [ -b ${T}2 ]; do sleep 0.1; done
    mkdosfs ${T}1; mount -t vfat ${T}1 /new; cp -r /cd/EFI /cd/vmlinuz /cd/initrd.img /new/
    cp /cd/installed.cfg /new/EFI/debian/grub.cfg; umount /new
    printf '%-512s' installed | dd of=${T}2 bs=512 seek=1 conv=notrunc,fsync 2>/dev/null
    say "GUEST INSTALLED"; sync; poweroff -f
  fi
fi
# state on disk: 16 bytes of boot count at sector 0 of the 2nd partition, the mark at sector 1
D=/dev/vda2; [ -b $D ] || D=/dev/sda2; [ -b $D ] || D=
[ -z "$D" ] && [ -b /dev/vda ] && ! [ -b /dev/vda1 ] && D=/dev/vda
B=0; MARK=
if [ -n "$D" ]; then
  B=$(dd if=$D bs=16 count=1 2>/dev/null | tr -dc 0-9); B=$(( ${B:-0} + 1 ))
  printf '%-16s' $B | dd of=$D bs=16 conv=notrunc,fsync 2>/dev/null
  MARK=$(dd if=$D bs=512 skip=1 count=1 2>/dev/null | tr -dc 'A-Za-z0-9._-')
fi
echo "$D" >/tmp/disk
say "GUEST BOOT boots=$B mark=$MARK disk=${D:-none} up=$(cut -d' ' -f1 /proc/uptime)"
# power button: an event on any 'Power Button' device ends the guest
for e in /sys/class/input/event*; do
  grep -q '^Power Button' $e/device/name 2>/dev/null || continue
  ( while head -c 24 >/dev/null; do
      [ -e /tmp/deaf ] || { say "GUEST POWERBTN"; sync; poweroff -f; }
    done </dev/input/${e##*/} ) &
done
cat >/tmp/dhcp <<'H'
#!/bin/sh
case $1 in
bound|renew)
  ip addr replace $ip/${mask:-24} dev $interface
  [ -n "$router" ] && ip route replace default via ${router%% *} dev $interface
  [ -n "$hostname" ] && hostname "$hostname"
  [ $1 = bound ] && for t in ttyS0 tty0; do
    echo "GUEST READY $interface ip=$ip up=$(cut -d' ' -f1 /proc/uptime)" >/dev/$t; done ;;
esac
H
printf '#!/bin/sh\nexec /bin/sh /tmp/dhcp "$@"\n' >/tmp/udhcpc; busybox chmod +x /tmp/udhcpc
ip link set lo up
nics=0
for i in /sys/class/net/*; do
  i=${i##*/}; [ $i = lo ] && continue; nics=$((nics+1)); ip link set $i up
  udhcpc -i $i -s /tmp/udhcpc -t 8 -T 1 -A 3 -b -x hostname:${HN:-tiny} -S >/dev/null 2>&1 &
done
[ $nics = 0 ] && say "GUEST READY none up=$(cut -d' ' -f1 /proc/uptime)"
cat >/www/cgi-bin/status <<'H'
#!/bin/sh
D=$(cat /tmp/disk)
printf 'Content-Type: text/plain\r\n\r\n'
[ -n "$D" ] && echo "boots=$(dd if=$D bs=16 count=1 2>/dev/null | tr -dc 0-9)
mark=$(dd if=$D bs=512 skip=1 count=1 2>/dev/null | tr -dc 'A-Za-z0-9._-')"
echo "up=$(cut -d' ' -f1 /proc/uptime)"; ip -o -4 addr | awk '$2!="lo"{print $2"="$4}'
for i in /sys/class/net/*; do echo "mac_${i##*/}=$(cat $i/address)"; done
echo "serial=$(cat /sys/class/dmi/id/product_serial)"
tr '\000' '\n' </sys/firmware/dmi/tables/DMI | grep -o 'carrel\..*'
H
cat >/www/cgi-bin/hardware <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
for i in /sys/bus/pci/devices/*; do echo "card=$(cut -c3- $i/vendor):$(cut -c3- $i/device)"; done
for i in /sys/block/[vs]d*; do echo "block=${i##*/}"; done
D=$(cat /tmp/disk); echo "disk=$D"; [ -d /sys/firmware/efi ] && echo firmware=uefi || echo firmware=bios
echo "driver=$(readlink -f /sys/class/net/eth0/device/driver | sed 's|.*/||')"
H
cat >/www/cgi-bin/mark <<'H'
#!/bin/sh
D=$(cat /tmp/disk); printf 'Content-Type: text/plain\r\n\r\n'
printf '%-512s' "$QUERY_STRING" | dd of=$D bs=512 seek=1 conv=notrunc,fsync 2>/dev/null && echo ok
H
cat >/www/cgi-bin/reboot <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nok\n'; sync
( sleep 0.2; reboot -f ) >/dev/null 2>&1 &
H
sed 's/reboot -f/poweroff -f/' /www/cgi-bin/reboot >/www/cgi-bin/poweroff
cat >/www/cgi-bin/deaf <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'; touch /tmp/deaf && echo ok
H
cat >/www/cgi-bin/cd <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
D=/dev/sr$QUERY_STRING; P=/tmp/cd$QUERY_STRING; mkdir -p $P
[ -b $D ] || for m in /lib/cd/*.ko; do insmod $m 2>/dev/null; done
t=0; while [ ! -b $D ] && [ $t -lt 20 ]; do sleep 1; t=$((t+1)); done
mount -t iso9660 -o ro $D $P 2>/dev/null && cat $P/*.txt
case $0 in *hold) echo held ;; *) umount $P 2>/dev/null ;; esac
H
cp /www/cgi-bin/cd /www/cgi-bin/hold
cat >/www/cgi-bin/eject <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'; eject /dev/sr$QUERY_STRING && echo ok
H
cat >/www/cgi-bin/seed <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
for m in /lib/cd/*.ko; do insmod $m 2>/dev/null; done
t=0; while [ ! -b /dev/sr0 ] && [ $t -lt 20 ]; do sleep 1; t=$((t+1)); done
mkdir -p /tmp/seed
for D in /dev/sr*; do
  [ "$(dd if=$D bs=8 skip=4101 count=1 2>/dev/null)" = 'cidata  ' ] || continue
  mount -t iso9660 -o ro $D /tmp/seed && cat /tmp/seed/meta-data; umount /tmp/seed
done
H
cat >/www/cgi-bin/ran <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'; cat /tmp/ran 2>/dev/null
H
sed 's/ran/clock/' /www/cgi-bin/ran >/www/cgi-bin/clock
cat >/www/cgi-bin/frozen <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'; [ -e /tmp/frozen ] && echo yes || echo no
H
cat >/www/cgi-bin/rdp <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
G=$(ip route | awk '$1 == "default" {print $3; exit}')
setsid nc -ll -p 3389 -e nc $G 3389 >/dev/null 2>&1 & echo ok
H
cat >/tmp/agent <<'H'
#!/bin/sh
for p in /sys/class/virtio-ports/*; do grep -q org.qemu.guest_agent.0 $p/name && exec 3<>/dev/${p##*/}; done
say() { echo "{\"return\": $1}" >&3; }
honest() {
  case $1 in
  *guest-info*) say '{"version": "7.2.0", "supported_commands": []}' ;;
  *guest-get-host-name*) say "{\"host-name\": \"$(hostname)\"}" ;;
  *guest-get-osinfo*) say "{\"pretty-name\": \"Tiny guest\", \"kernel-release\": \"$(uname -r)\"}" ;;
  *guest-network-get-interfaces*)
    say "[{\"name\": \"eth0\", \"hardware-address\": \"$(cat /sys/class/net/eth0/address)\", \"ip-addresses\": [$(ip -o -4 addr show eth0 | awk '{split($4, a, "/"); printf "{\"ip-address-type\": \"ipv4\", \"ip-address\": \"%s\", \"prefix\": %s}", a[1], a[2]}')]}]" ;;
  *guest-get-users*) say '[{"user": "ana", "login-time": 1700000000.5}]' ;;
  *guest-exec-status*) look "$1" ;;
  *guest-exec*) begin "$1" ;;
  *guest-set-time*) echo "$1" | tr -dc 0-9 >/tmp/clock; say '{}' ;;
  *guest-fsfreeze-status*) [ -e /tmp/frozen ] && say '"frozen"' || say '"thawed"' ;;
  *guest-fsfreeze-freeze*)
    touch /tmp/frozen; printf '%-512s' frozen | dd of=$(cat /tmp/disk) bs=512 seek=1 conv=notrunc,fsync 2>/dev/null
    sleep 2; say 1 ;;
  *guest-fsfreeze-thaw*) rm -f /tmp/frozen; say 1 ;;
  *guest-get-fsinfo*)
    say '[{"name": "vda1", "mountpoint": "/", "type": "vfat", "disk": [], "total-bytes": 33554432, "used-bytes": 16777216}]' ;;
  *) echo '{"error": {"class": "CommandNotFound", "desc": "not known here"}}' >&3 ;;
  esac
}
# A JSON text to words of the shell: `word` makes one of the string that begins at i.
cat >/tmp/exec.awk <<'W'
function word(  c, s) {
  s = ""
  for (i++; (c = substr($0, i, 1)) != "\""; i++) {
    if (c == "\\") { c = substr($0, ++i, 1); if (c == "n") c = "\n"; if (c == "t") c = "\t"; if (c == "r") c = "\r" }
    s = s (c == "'" ? "'\\''" : c)
  }
  i++
  return " '" s "'"
}
function list(name,  s) {
  s = ""; i = index($0, "\"" name "\":[")
  if (!i) return s
  i += length(name) + 4
  while (substr($0, i, 1) == "\"") { s = s word(); if (substr($0, i, 1) == ",") i++ }
  return s
}
function text(name) {
  i = index($0, "\"" name "\":\"")
  if (!i) return " ''"
  i += length(name) + 3
  return word()
}
{ printf "echo%s | base64 -d | exec env -i%s%s%s\n", text("input-data"), list("env"), text("path"), list("arg") }
W
begin() {
  n=$(($(cat /tmp/execs 2>/dev/null) + 1)); echo $n >/tmp/execs
  printf '%s' "$1" | tr -d '\r' | awk -f /tmp/exec.awk >/tmp/exec.$n
  ( sh /tmp/exec.$n >/tmp/out.$n 2>&1; echo $? >/tmp/code.$n ) 3>&- </dev/null &
  say "{\"pid\": $n}"
}
look() {
  n=$(echo "$1" | sed 's/.*"pid":[^0-9]*\([0-9]*\).*/\1/')
  if [ -e /tmp/code.$n ]; then
    say "{\"exited\": true, \"exitcode\": $(cat /tmp/code.$n), \"out-data\": \"$(base64 /tmp/out.$n | tr -d '\n')\"}"
  elif [ -e /tmp/exec.$n ]; then say '{"exited": false}'
  else echo '{"error": {"class": "GenericError", "desc": "Invalid parameter '"'pid'"'"}}' >&3; fi
}
liar() {
  case $1 in
  *guest-info*) say '{"version": 7}' ;;
  *guest-get-host-name*) say "{\"host-name\": \"$(head -c 1500000 /dev/zero | tr '\000' x)\"}" ;;
  *guest-get-osinfo*) say '{"pretty-name": {"name": "no text"}, "name": "\u0007Odd\u001b[31m"}' ;;
  *guest-network-get-interfaces*)
    say '[{"name": "<b>eth0</b>", "ip-addresses": [{"ip-address": "999.1.1.1", "prefix": 24}, {"ip-address": "192.0.2.9", "prefix": 24}]}, 7]' ;;
  *guest-get-users*) say '{"user": "no list"}' ;;
  *guest-exec-status*) say "\"$(head -c 1500000 /dev/zero | tr '\000' x)\"" ;;
  *guest-exec*) say '{"pid": 7}' ;;
  *) say '[{"mountpoint": "/", "type": "x", "total-bytes": 10, "used-bytes": 99}]' ;;
  esac
}
while :; do
  read -r l <&3 || { sleep 1; continue; }
  case $l in
  *guest-sync*) say "$(echo "$l" | sed 's/.*"id":[^0-9]*\([0-9]*\).*/\1/')" ;;
  *guest-shutdown*)
    case $1 in
    proud) echo '{"error": {"class": "GenericError", "desc": "not now"}}' >&3 ;;
    stuck) ;;
    *) echo "GUEST AGENT" >/dev/ttyS0; sync; poweroff -f ;;
    esac ;;
  *) case $1 in mute) ;; late) sleep 7; honest "$l" ;; flood) head -c 1073741824 /dev/zero | tr '\000' x >&3 ;; noise) head -c 300 /bin/busybox | tr '\n' . >&3; echo >&3 ;; lies) liar "$l" ;; *) honest "$l" ;; esac ;;
  esac
done
H
cat >/www/cgi-bin/agent <<'H'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
[ -e /tmp/agent.pid ] && kill -9 -$(cat /tmp/agent.pid) 2>/dev/null
setsid sh -c 'echo $$ >/tmp/agent.pid; exec sh /tmp/agent $0' $QUERY_STRING >/dev/null 2>&1 & echo ok
H
busybox chmod +x /www/cgi-bin/*
httpd -p 80 -h /www
( while :; do getty -n -l /bin/sh 38400 tty1 linux; sleep 1; done ) >/dev/null 2>&1 &
# serial: a plain read-eval loop; no line editing, so no escape codes in a captured log
exec </dev/ttyS0 >/dev/ttyS0 2>&1
while :; do printf '# '; if read -r l; then eval "$l"; else sleep 1; fi; done
G
chmod +x r/init
( cd r && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet ) >"$OUT/initrd.cpio"

# --- boot loader configuration, the same for both media
ARGS="console=tty0 console=ttyS0 quiet nokaslr mitigations=off no_timer_check noreplace-smp cryptomgr.notests tsc=reliable random.trust_cpu=on net.ifnames=0 panic=1"
echo "$ARGS" >"$OUT/cmdline"
printf 'DEFAULT g\nPROMPT 0\nTIMEOUT 0\nLABEL g\n  KERNEL /vmlinuz\n  INITRD /initrd.img\n  APPEND %s\n' "$ARGS" >cfg

# --- for UEFI: GRUB, whose configuration stands beside it
GRUB=k/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
grub_cfg() { printf 'set timeout=0\nlinux ($root)/vmlinuz %s\ninitrd ($root)/initrd.img\nboot\n' "$1"; }

# --- ISO
if [ -n "${GUEST_HARDWARE:-}" ]; then
  rm -rf iso; mkdir -p iso/EFI/BOOT iso/EFI/debian; truncate -s 8M iso/efi.img; mkfs.fat iso/efi.img >/dev/null
  cp "$OUT/vmlinuz" iso/vmlinuz; cp "$OUT/initrd.cpio" iso/initrd.img
  truncate -s 128M disk.raw
  printf 'label: dos\nstart=2048,size=196608,type=ef\nstart=198656,size=2048,type=da\n' | sfdisk -q disk.raw
  head -c 512 disk.raw >iso/partitions                       # of the disk that is installed on
  cp $GRUB iso/EFI/BOOT/BOOTX64.EFI; grub_cfg "$ARGS install" >iso/EFI/debian/grub.cfg; grub_cfg "$ARGS" >iso/installed.cfg
  mmd -i iso/efi.img ::/EFI ::/EFI/BOOT; mcopy -i iso/efi.img $GRUB ::/EFI/BOOT/BOOTX64.EFI    # it reads the rest from the CD
  xorriso -as mkisofs -quiet -R -V INSTALLER -o "$OUT/$ISO.tmp" -e efi.img -no-emul-boot iso 2>/dev/null
else
  rm -rf iso; mkdir -p iso/isolinux
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 iso/isolinux/
  cp cfg iso/isolinux/isolinux.cfg; cp "$OUT/vmlinuz" iso/vmlinuz; cp "$OUT/initrd.cpio" iso/initrd.img
  xorriso -as mkisofs -quiet -V TINYGUEST -o "$OUT/$ISO.tmp" -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin \
    -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table iso 2>/dev/null
fi
mv "$OUT/$ISO.tmp" "$OUT/$ISO"

# --- disk: 32 MiB FAT16 boot partition at 1 MiB, 1 MiB state partition; 64 MiB in all
rm -f disk.raw fat.img; truncate -s 64M disk.raw; truncate -s 32M fat.img
printf 'label: dos\nstart=2048,size=65536,type=%s,bootable\nstart=67584,size=2048,type=da\n' \
  "$([ -n "${GUEST_HARDWARE:-}" ] && echo ef || echo 6)" | sfdisk -q disk.raw
mkfs.fat -F 16 -s 8 -h 2048 fat.img >/dev/null
mcopy -i fat.img cfg ::/syslinux.cfg; mcopy -i fat.img "$OUT/vmlinuz" ::/vmlinuz; mcopy -i fat.img "$OUT/initrd.cpio" ::/initrd.img
syslinux --install fat.img
if [ -n "${GUEST_HARDWARE:-}" ]; then
  mmd -i fat.img ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i fat.img $GRUB ::/EFI/BOOT/BOOTX64.EFI; grub_cfg "$ARGS" | mcopy -i fat.img - ::/EFI/debian/grub.cfg
fi
dd if=fat.img of=disk.raw bs=1M seek=1 conv=notrunc,sparse status=none
dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk.raw conv=notrunc status=none
qemu-img convert -O qcow2 disk.raw "$OUT/guest.qcow2.tmp"    # not compressed: saves a second of CPU per boot
mv "$OUT/guest.qcow2.tmp" "$OUT/guest.qcow2"
rm -f disk.raw fat.img; rm -rf iso
[ -z "${GUEST_HARDWARE:-}" ] || rm -rf k    # all modules of a kernel: hundreds of megabytes
chmod 644 "$OUT"/guest.* "$OUT/$ISO" "$OUT"/vmlinuz "$OUT"/initrd.cpio "$OUT"/cmdline
echo "$stamp" >"$OUT/.stamp"
ls -l --block-size=K "$OUT" | awk 'NR>1{print $5, $9}'
