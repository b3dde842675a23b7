#!/bin/bash
# debian-desktop.sh OUTDIR: builds desktop.qcow2, a Debian desktop of this machine's suite, from Debian packages.
#
# It boots by UEFI, also with secure boot (Debian's signed shim, GRUB, kernel and modules), from virtio, SATA, SCSI and
# IDE disks: GPT, ESP, ext4. It signs the user "ana" (password "ana", may do all by sudo) in to XFCE by itself. Inside:
# qemu-guest-agent, spice-vdagent, xrdp with xorgxrdp, xclip, speaker-test and aplay, lspci, fio, efibootmgr, mokutil.
#
# Its serial line says: GUEST BOOT up=9.1 / GUEST DESKTOP up=48.0, when the desktop is drawn.
#
# All that would only delay it under software emulation is left out: an initrd that knows only disks, no greeter, no
# session manager of systemd, no timers. Modules, documents and languages that nothing here asks for are not unpacked.
#
# Packages come from where this machine's apt gets them, and stay in OUTDIR/debs: building anew fetches nothing.
# Idempotent: a finished image of the same inputs is left alone (FORCE=1 builds it anew).
set -euo pipefail
OUT=${1:?usage: debian-desktop.sh OUTDIR}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
SELF=$(readlink -f "$0")
[ "$(id -u)" = 0 ] || { echo "debian-desktop.sh: needs root" >&2; exit 1; }
mkdir -p "$OUT"; OUT=$(cd "$OUT" && pwd)
exec 9>"$OUT/.lock"; flock 9

for p in mmdebstrap busybox mcopy mkfs.fat mke2fs sfdisk cpio qemu-img; do
  command -v "$p" >/dev/null || { echo "debian-desktop.sh: $p is missing; packaging/prepare.sh test installs it" >&2; exit 1; }
done
. /etc/os-release
stamp=$( { cat "$SELF"; echo "$VERSION_CODENAME"; } | sha256sum | cut -c1-16)
if [ -z "${FORCE:-}" ] && [ -s "$OUT/desktop.qcow2" ] && [ "$(cat "$OUT/.stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "debian desktop: up to date in $OUT"; exit 0
fi

PACKAGES=(systemd-sysv e2fsprogs udev dbus libpam-systemd kmod iproute2 util-linux-extra sudo procps pciutils efibootmgr mokutil
  qemu-guest-agent spice-vdagent xrdp xorgxrdp ssl-cert
  xserver-xorg-core xserver-xorg-input-libinput xinit x11-xserver-utils x11-utils xclip fonts-dejavu-core
  xfce4-session xfwm4 xfdesktop4 xfce4-panel xfce4-terminal adwaita-icon-theme alsa-utils fio)
# Not installed but taken apart: what they depend on builds initrds and menus, and would take longer than all the rest.
UNPACKED=(linux-image-amd64 shim-signed grub-efi-amd64-signed)
MODULES=(virtio_pci virtio_blk virtio_scsi sd_mod ahci ata_piix mptspi ext4 crc32c_intel crc32c_generic)

W=$OUT/.work; rm -rf "$W"; mkdir -p "$W" "$OUT/debs"; trap '[ -n "${KEEP:-}" ] || rm -rf "$W"' EXIT
R=$W/root; mkdir "$R"

# ------------------------------------------------------------------------------------------------- packages
# from where, and how, this machine gets its packages
apt-config dump Acquire | grep -v '^Acquire::IndexTargets' >"$W/apt.conf"
SOURCES=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case $file in
    *.list|*.sources) ! grep -qsE "^[^#]*\b$VERSION_CODENAME\b.*\bmain\b|^Suites:.*\b$VERSION_CODENAME" "$file" || SOURCES+=("$file") ;;
  esac
done
# the kernel's package is the one that the metapackage asks for
cat >"$W/unpack" <<'H'
#!/bin/bash
set -euo pipefail
R=$1 DEBS=$2; shift 2; export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
kernel=$(apt-cache depends "$1" | awk '/Depends: linux-image-/ {print $2; exit}'); shift
cd "$DEBS"; mkdir "$R/.boot"
for p in "$kernel" "$@"; do
  version=$(apt-cache policy "$p" | awk '$1 == "Candidate:" {print $2}')
  name=$(echo "${p}_${version//:/%3a}"_*.deb)
  [ -s "$name" ] || { apt-get download -q -o APT::Sandbox::User=root "$p"; name=$(echo "${p}_${version//:/%3a}"_*.deb); }
  [ "$p" = "$kernel" ] || { dpkg-deb -x "$name" "$R/.boot"; continue; }
  # of the modules, those that a machine of QEMU can ask for
  dpkg-deb --fsys-tarfile "$name" >"$R/.boot/kernel.tar"
  tar -tf "$R/.boot/kernel.tar" | grep -E '^./boot/vmlinuz|/modules\.|/crc32c-intel\.ko|/kernel/(crypto|lib|net/(core|packet|unix)|sound/(ac97|core|drivers|hda|pci/(ac97|hda)))/.|/(soundcore|ledtrig-audio)\.ko|/snd-(intel8x0|ens13)
    |/kernel/fs/((ext4|fat|isofs|nls|jbd2|efivarfs|fuse|autofs|configfs)/|mbcache|binfmt_misc)
    |/drivers/(acpi|ata|block|cdrom|char|firmware|hid|hwmon|input|message|mfd|net/ethernet/(intel|realtek)|ptp|pps|scsi|usb|virt|virtio)/.
    |/drivers/(net/(mii|net_failover|virtio_net)|i2c/(algos|busses)/.*|gpu/drm/([^/]*|(display|qxl|tiny|ttm|virtio)/.*))\.ko' >"$R/.boot/list"
  tar -x --no-recursion -f "$R/.boot/kernel.tar" -C "$R" -T "$R/.boot/list"
done
H
chmod +x "$W/unpack"
IFS=,; INCLUDE="${PACKAGES[*]}"; IFS=$' \t\n'
mmdebstrap --quiet --variant=essential --mode=root --include="$INCLUDE" --aptopt="$W/apt.conf" \
  --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --skip=download/empty --skip=essential/unlink \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/gtk-doc/*' --dpkgopt='path-exclude=/usr/share/help/*' \
  `# without them X draws by itself, in place of a graphics card that is emulated twice` \
  --dpkgopt='path-exclude=/usr/lib/x86_64-linux-gnu/dri/*' --dpkgopt='path-exclude=/usr/lib/x86_64-linux-gnu/libLLVM*' \
  --dpkgopt='path-exclude=/usr/lib/gcc/*' \
  --setup-hook='mkdir -p "$1/var/cache/apt/archives"' --setup-hook="sync-in '$OUT/debs' /var/cache/apt/archives" \
  --customize-hook="sync-out /var/cache/apt/archives '$OUT/debs'" \
  --customize-hook="$W/unpack \"\$1\" '$OUT/debs' ${UNPACKED[*]}" \
  "$VERSION_CODENAME" "$R" "${SOURCES[@]}"
echo "packages: ${SECONDS} s"
KV=$(basename "$R"/lib/modules/*); chroot "$R" depmod "$KV"
rm -rf "$R"/var/cache/apt/* "$R"/var/lib/apt/lists/*

# --------------------------------------------------------------------------------------------- configuration
put() { mkdir -p "$(dirname "$R/$1")"; cat >"$R/$1"; }
chroot "$R" useradd -m -s /bin/bash -G sudo,audio,video,dialout,tty,input ana
echo 'ana:ana' | chroot "$R" chpasswd
put etc/sudoers.d/ana <<<'ana ALL=(ALL) NOPASSWD: ALL'
put etc/hostname <<<debian
put etc/hosts <<<$'127.0.0.1 localhost\n127.0.1.1 debian'
: >"$R/etc/machine-id"                       # each machine its own, and yet no first boot with all its questions
put etc/fstab <<<$'PARTLABEL=root / ext4 defaults,noatime 0 1\nPARTLABEL=esp /boot/efi vfat umask=0077,noauto 0 0'
mkdir -p "$R/boot/efi"
put etc/systemd/network/wired.network <<<$'[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n[DHCPv4]\nClientIdentifier=mac'
put etc/systemd/journald.conf.d/lab.conf <<<$'[Journal]\nStorage=volatile\nAudit=no'
# not for xrdp's X, which has no card
put etc/X11/desktop.conf <<'C'
Section "Device"
  Identifier "card"
  Driver "modesetting"
  Option "AccelMethod" "none"
EndSection
Section "ServerFlags"
  Option "BlankTime" "0"
  Option "StandbyTime" "0"
  Option "SuspendTime" "0"
  Option "OffTime" "0"
EndSection
C
put etc/systemd/system/desktop.service <<'C'
[Unit]
Description=The desktop of ana
After=systemd-user-sessions.service dbus.service systemd-logind.service
Conflicts=getty@tty7.service
[Service]
User=ana
PAMName=login
WorkingDirectory=~
TTYPath=/dev/tty7
StandardInput=tty
StandardOutput=journal
UtmpIdentifier=tty7
UtmpMode=user
Environment=XDG_SESSION_TYPE=x11 XDG_SESSION_CLASS=user XDG_SEAT=seat0 XDG_VTNR=7 XDG_CURRENT_DESKTOP=XFCE NO_AT_BRIDGE=1
ExecStart=/usr/bin/xinit /usr/bin/dbus-run-session /usr/bin/xfce4-session -- /usr/lib/xorg/Xorg :0 vt7 -config desktop.conf -nolisten tcp -keeptty
Restart=on-failure
[Install]
WantedBy=multi-user.target
C
put etc/systemd/system/said.service <<'C'
[Unit]
Description=What the serial line says of the boot
DefaultDependencies=no
After=systemd-udevd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'read up rest </proc/uptime; echo "GUEST BOOT up=$up" >/dev/ttyS0'
[Install]
WantedBy=sysinit.target
C
put usr/local/bin/desktop-is-drawn <<'C'
#!/bin/sh
until xprop -root XFCE_DESKTOP_WINDOW 2>/dev/null | grep -q 0x; do sleep 0.5; done
read up rest </proc/uptime; echo "GUEST DESKTOP up=$up" | tee /tmp/desktop-is-drawn >/dev/ttyS0
C
chmod +x "$R/usr/local/bin/desktop-is-drawn"
put etc/xdg/autostart/desktop-is-drawn.desktop <<<$'[Desktop Entry]\nType=Application\nName=drawn\nExec=/usr/local/bin/desktop-is-drawn'
X=etc/xdg/xfce4/xfconf/xfce-perchannel-xml
put $X/xfwm4.xml <<<'<?xml version="1.0"?><channel name="xfwm4" version="1.0"><property name="general" type="empty"><property name="use_compositing" type="bool" value="false"/></property></channel>'
put $X/xfce4-panel.xml <<'C'
<?xml version="1.0"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="26"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/><value type="int" value="4"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="applicationsmenu"/>
    <property name="plugin-2" type="string" value="tasklist"/>
    <property name="plugin-3" type="string" value="separator"><property name="style" type="uint" value="0"/><property name="expand" type="bool" value="true"/></property>
    <property name="plugin-4" type="string" value="clock"/>
  </property>
</channel>
C
put $X/xfce4-desktop.xml <<'C'
<?xml version="1.0"?>
<channel name="xfce4-desktop" version="1.0">
  <property name="backdrop" type="empty"><property name="screen0" type="empty"><property name="monitorVirtual-1" type="empty">
    <property name="workspace0" type="empty">
      <property name="image-style" type="int" value="5"/>
      <property name="last-image" type="string" value="/usr/share/backgrounds/xfce/xfce-blue.jpg"/>
    </property>
  </property></property></property>
</channel>
C
chroot "$R" usermod -aG ssl-cert xrdp         # for TLS, as its README says
put home/ana/.xsession <<<'exec dbus-run-session xfce4-session'; chroot "$R" chown ana: /home/ana/.xsession

chroot "$R" systemctl -q enable desktop.service said.service systemd-networkd.service
chroot "$R" systemctl -q mask getty@tty1.service serial-getty@ttyS0.service user@.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service systemd-tmpfiles-clean.timer fstrim.timer systemd-networkd-wait-online.service \
  systemd-hwdb-update.service systemd-firstboot.service systemd-pstore.service modprobe@drm.service \
  systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
touch "$R/etc/.updated" "$R/var/.updated"

# ------------------------------------------------------------------------------------------------------- boot
I=$W/initrd; mkdir -p "$I"/{bin,dev,proc,sys,root,lib}
cp "$(command -v busybox)" "$I/bin/busybox"
n=100
while read -r m; do cp "$R$m" "$I/lib/$n-${m##*/}"; n=$((n+1)); done < <(
  for m in "${MODULES[@]}"; do chroot "$R" modprobe -S "$KV" --show-depends "$m" | awk '$1 == "insmod" {print $2}'; done | awk '!seen[$0]++')
cat >"$I/init" <<'C'
#!/bin/busybox sh
/bin/busybox --install -s /bin; export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in /lib/*.ko; do insmod $m 2>/dev/null; done
until root=$(grep -lx PARTNAME=root /sys/class/block/*/uevent); do sleep 0.1; done
root=${root%/uevent}
mount -t ext4 -o ro,noatime /dev/${root##*/} /root
umount /proc /sys; mount --move /dev /root/dev
exec switch_root /root /sbin/init
C
chmod +x "$I/init"; mkdir -p "$R/boot"
( cd "$I" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet ) >"$W/initrd.img"
ARGS="console=ttyS0 console=tty0 quiet systemd.show_status=no nokaslr mitigations=off no_timer_check tsc=reliable random.trust_cpu=on cryptomgr.notests net.ifnames=0 panic=1"
printf 'set timeout=0\nlinux ($root)/vmlinuz %s\ninitrd ($root)/initrd.img\nboot\n' "$ARGS" >"$W/grub.cfg"

# -------------------------------------------------------------------------------------- disk: ESP of 48 MiB, root
B=$R/.boot/usr/lib
truncate -s 48M "$W/esp.img"; mkfs.fat -F 16 -n ESP "$W/esp.img" >/dev/null
mmd -i "$W/esp.img" ::/EFI ::/EFI/BOOT ::/EFI/debian
for to in BOOT/BOOTX64.EFI debian/shimx64.efi; do mcopy -i "$W/esp.img" "$B/shim/shimx64.efi.signed" "::/EFI/$to"; done
for to in BOOT debian; do mcopy -i "$W/esp.img" "$B/grub/x86_64-efi-signed/grubx64.efi.signed" "::/EFI/$to/grubx64.efi"; done
mcopy -i "$W/esp.img" "$W/grub.cfg" ::/EFI/debian/grub.cfg
mcopy -i "$W/esp.img" "$R/boot/vmlinuz-$KV" ::/vmlinuz; mcopy -i "$W/esp.img" "$W/initrd.img" ::/initrd.img
rm -rf "$R/.boot" "$R/boot/vmlinuz-$KV" "$R"/tmp/* "$R"/run/*
SIZE=$(( $(du -sm --apparent-size "$R" | cut -f1) * 5 / 4 + 256 ))
truncate -s "$((SIZE + 50))M" "$W/disk.raw"
printf 'label: gpt\nstart=2048,size=98304,type=U,name=esp\nstart=100352,size=%d,type=L,name=root\n' $((SIZE * 2048)) | sfdisk -q "$W/disk.raw"
dd if="$W/esp.img" of="$W/disk.raw" bs=1M seek=1 conv=notrunc,sparse status=none
mke2fs -q -t ext4 -L root -d "$R" -E "offset=$((49 << 20)),lazy_itable_init=1" "$W/disk.raw" "${SIZE}M"
echo "disk: ${SECONDS} s"
# a third of the size, which is copied often; what a boot reads of it is unpacked in half a second
qemu-img convert -O qcow2 -c -o compression_type=zstd "$W/disk.raw" "$OUT/desktop.qcow2.tmp"
mv "$OUT/desktop.qcow2.tmp" "$OUT/desktop.qcow2"; chmod 644 "$OUT/desktop.qcow2"
echo "$stamp" >"$OUT/.stamp"
echo "debian desktop: ${SECONDS} s"; ls -ls --block-size=M "$OUT"
