#!/bin/bash
# Nodes of the lab: sets of namespaces on this machine that behave like machines with KVM's libvirt.
#
#   nodes.sh up I...      bring up nodes I (1..9 each); those that run already are kept
#   nodes.sh down [I...]  end them (all, without I); the last one takes bridges and directory along
#   nodes.sh status       one line per node
#   nodes.sh exec I CMD…  run a command inside node I
#
# A node has its own net, mount, pid, uts, ipc and cgroup namespace, an overlay root whose changes live in
# a tmpfs and vanish with it, its own sshd and libvirtd, and no /dev/kvm. From this machine it is at
# 10.88.$LAB_SLOT.(10+I), by ssh -F $LAB_DIR/ssh_config nodeI and by
# qemu+ssh://root@10.88.$LAB_SLOT.(10+I)/system?keyfile=$LAB_DIR/id&no_verify=1
#
#   eth0        management, on bridge cl${LAB_SLOT}m (this machine is .1 there)
#   eth1, eth2  data NICs, on bridge cl${LAB_SLOT}d (no address; passes VLAN tags)
#   /srv/shared         one directory, the same in all nodes of the lab
#   /opt/carrel         $LAB_BIN_DIR, read-only: the binary under test, as it is at any moment
#   /var/lib/carrel, /var/lib/libvirt/images   on disk, in $LAB_DIR
#
# Environment: LAB_SLOT  1..250, tells labs on one machine apart (default 200)
#              LAB_DIR   where the lab keeps its state (default /tmp/carrel-lab-$LAB_SLOT)
#              LAB_BIN_DIR  LAB_TREE (a directory to be seen at the same path)
#              LAB_UPPER=1g (size of a node's tmpfs)  LAB_PASSWORD=lab (root's, for ssh)
# Only processes whose recorded pid and start time still match are ever ended.
set -euo pipefail
export LC_ALL=C
SELF=$(readlink -f "$0")
SLOT=${LAB_SLOT:-200} W=${LAB_DIR:-/tmp/carrel-lab-${LAB_SLOT:-200}} NET=10.88.${LAB_SLOT:-200}
NODE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CGROUPS="cpu cpuacct cpuset blkio devices freezer pids"   # version 1; memory stays where the caller's is
die() { echo "nodes.sh: $*" >&2; exit 1; }
usage() { sed -n '2,7p' "$SELF" >&2; exit 2; }

# ------------------------------------------------------------ inside a node, before the root is switched
uuid_of() { md5sum <<<"$1" | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-4\3-8\4-\5/'; }

make_root() {
  mount -t tmpfs -o "size=${LAB_UPPER:-1g},mode=755" tmpfs "$S/m"
  mkdir "$S/m/upper" "$S/m/work" "$S/m/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$S/m/upper,workdir=$S/m/work" "$R"
  # nothing of this machine's libvirt state may shine through
  rm -rf "$R"/etc/libvirt/qemu "$R"/var/lib/{libvirt,carrel} "$R"/var/cache/libvirt "$R"/var/log/libvirt "$R"/etc/carrel
  mkdir -p "$R"/etc/libvirt/qemu/networks "$R"/var/lib/libvirt/{images,qemu,boot,dnsmasq} "$R"/var/lib/carrel \
           "$R"/var/cache/libvirt/qemu "$R"/var/log/libvirt/qemu "$R"/srv/shared "$R"/opt/carrel
  chmod 711 "$R"/var/lib/libvirt "$R"/var/lib/libvirt/images
  chown libvirt-qemu:libvirt-qemu "$R"/var/lib/libvirt/qemu "$R"/var/cache/libvirt/qemu 2>/dev/null || :
  mount --bind "$S/images" "$R/var/lib/libvirt/images"
  mount --bind "$S/data" "$R/var/lib/carrel"
  mount --bind "$W/shared" "$R/srv/shared"
  # a bind mount: what the compiler writes later is seen at once, which an overlay does not promise
  if [ -n "${LAB_BIN_DIR:-}" ]; then mount --bind -o ro "$LAB_BIN_DIR" "$R/opt/carrel"; fi
  mount -t tmpfs -o mode=755 tmpfs "$R/run"
  mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
  mount -t tmpfs -o mode=700 tmpfs "$R/root"    # empty: a .bashrc would cost time at every ssh call
  # the sources at their own path: a debug build reads the web console from there
  if [ -n "${LAB_TREE:-}" ]; then mkdir -p "$R$LAB_TREE"; mount --bind -o ro "$LAB_TREE" "$R$LAB_TREE"; fi
  mount -t proc proc "$R/proc"
  mount -t sysfs sysfs "$R/sys"
}

make_dev() {
  # No kvm: where the machine's /dev/kvm cannot be used, guests hang under it, and libvirt probes QEMU anew
  # at every start (4 s) when it sees one that its qemu user may not open.
  mount -t tmpfs -o mode=755 tmpfs "$R/dev"
  mknod -m 666 "$R/dev/null" c 1 3;   mknod -m 666 "$R/dev/zero" c 1 5;    mknod -m 666 "$R/dev/full" c 1 7
  mknod -m 666 "$R/dev/random" c 1 8; mknod -m 666 "$R/dev/urandom" c 1 9; mknod -m 666 "$R/dev/tty" c 5 0
  mkdir "$R/dev/net" "$R/dev/pts" "$R/dev/shm"; mknod -m 600 "$R/dev/net/tun" c 10 200
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$R/dev/shm"
  ln -s /proc/self/fd "$R/dev/fd"; ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"
}

make_cgroups() {  # the node's own cgroup is the root that it sees: equal domain names on two nodes do not collide
  if [ -s "$S/cgroups" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$R/sys/fs/cgroup"
    while read -r c; do
      mkdir "$R/sys/fs/cgroup/$c"; mount -t cgroup -o "$c" cgroup "$R/sys/fs/cgroup/$c" || rmdir "$R/sys/fs/cgroup/$c"
    done <"$S/cgroups"
  elif [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
  fi
}

configure() {
  local j
  echo "node$I" >"$R/etc/hostname"; hostname "node$I"
  md5sum <<<"$W node$I" | cut -c1-32 >"$R/etc/machine-id"
  { printf '127.0.0.1 localhost\n%s.1 controller\n' "$NET"
    for j in 1 2 3 4 5 6 7 8 9; do echo "$NET.$((10+j)) node$j"; done; } >"$R/etc/hosts"
  mkdir -m 700 "$R/root/.ssh"; cp "$W/id.pub" "$R/root/.ssh/authorized_keys"
  cp "$W/id" "$R/root/.ssh/id_ed25519"; chmod 600 "$R/root/.ssh/id_ed25519"
  printf 'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' >"$R/root/.ssh/config"
  cp "$S/hostkey" "$R/etc/ssh/lab_host_key"; chmod 600 "$R/etc/ssh/lab_host_key"
  cat >"$R/etc/ssh/sshd_config" <<C
Port 22
HostKey /etc/ssh/lab_host_key
PermitRootLogin yes
PasswordAuthentication yes
UsePAM no
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
Subsystem sftp /usr/lib/openssh/sftp-server
C
  sed -i '/^\(host_uuid\|unix_sock_group\|unix_sock_rw_perms\|auth_unix_rw\) *=/d' "$R/etc/libvirt/libvirtd.conf"
  # libvirt takes the host's uuid from DMI: the same on all nodes, and migration refuses "the same host"
  echo "host_uuid = \"$(uuid_of "$W host$I")\"" >>"$R/etc/libvirt/libvirtd.conf"
  # nobody starts virtlogd without systemd
  printf 'stdio_handler = "file"\nsecurity_driver = "none"\nvnc_listen = "127.0.0.1"\n' >"$R/etc/libvirt/qemu.conf"
  # libvirt's own network, defined and not started, as Debian ships it
  cat >"$R/etc/libvirt/qemu/networks/default.xml" <<X
<network>
  <name>default</name><uuid>$(uuid_of "$W net$I")</uuid><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>
</network>
X
  ip link set lo up
  ip addr add "$NET.$((10+I))/24" dev eth0; ip link set eth0 up; ip link set eth1 up; ip link set eth2 up
}

stage1() {
  I=$1 S=$W/n$1 R=$W/n$1/m/root
  read -r HOSTPID _ </proc/self/stat       # still the old /proc: the pid that this machine sees
  echo "$HOSTPID $(start_time "$HOSTPID")" >"$S/pid"
  mount --make-rprivate /
  make_root; make_dev; make_cgroups; configure
  mkdir -p "$R/oldroot"; cp "$SELF" "$R/run/lab-init"; printf 'root:%s\n' "${LAB_PASSWORD:-lab}" >"$R/run/pw"
  cd "$R"; pivot_root . oldroot
  exec chroot . /bin/bash /run/lab-init __init </dev/null >/run/lab-init.log 2>&1
}

init() {                                    # pid 1 of the node
  set +e; umount -l /oldroot; rmdir /oldroot
  export HOME=/root PATH=$NODE_PATH TERM=linux
  cd /; chpasswd -c SHA256 </run/pw; rm -f /run/pw
  if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then   # version 2: no processes beside domains' groups
    mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs
  fi
  mkdir -p /run/sshd /run/lock /run/libvirt
  /usr/sbin/sshd
  libvirtd -d
  trap : CHLD; trap 'exit 0' TERM
  while :; do wait -n 2>/dev/null; sleep 5 & wait $!; done     # reaps orphans
}

# ------------------------------------------------------------------------------------------ this machine
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
ours() {  # is node I's recorded init still the process that was started?
  [ -s "$W/n$1/pid" ] || return 1
  local start; read -r P start <"$W/n$1/pid"
  [ -r "/proc/$P/stat" ] && [ "$(start_time "$P")" = "$start" ]
}
wait_for() { local n; for n in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }

make_bridges() {
  local b
  for b in "cl${SLOT}m" "cl${SLOT}d"; do
    ip link show "$b" >/dev/null 2>&1 && continue
    ip link add "$b" type bridge stp_state 0 forward_delay 0
    echo 1 2>/dev/null >"/proc/sys/net/ipv6/conf/$b/disable_ipv6" || :
    ip link set "$b" up
  done
  ip addr replace "$NET.1/24" dev "cl${SLOT}m"
}

make_nics() {
  local k b
  ip netns add "cl${SLOT}n$I" 2>/dev/null || :
  for k in 0 1 2; do
    ip link del "cl$SLOT-$I-$k" 2>/dev/null || :
    ip link add "cl$SLOT-$I-$k" address "52:54:00:88:1$k:0$I" type veth \
      peer name "eth$k" netns "cl${SLOT}n$I" address "52:54:00:88:0$k:0$I"
    # veth hands over packets whose checksums are still to do; not every switch completes them
    ip netns exec "cl${SLOT}n$I" ethtool -K "eth$k" tx off >/dev/null 2>&1 || :
    if [ $k = 0 ]; then b=cl${SLOT}m; else b=cl${SLOT}d; fi
    ip link set "cl$SLOT-$I-$k" master "$b" up
  done
}

make_cgroup_dirs() {
  local c d; : >"$S/cgroups"
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mkdir -p "/sys/fs/cgroup/cl${SLOT}n$I"; return; fi
  for c in $CGROUPS; do
    d=/sys/fs/cgroup/$c; [ -e "$d/tasks" ] || continue
    mkdir -p "$d/cl${SLOT}n$I" 2>/dev/null || continue
    if [ "$c" = cpuset ]; then
      cat "$d/cpuset.cpus" >"$d/cl${SLOT}n$I/cpuset.cpus"; cat "$d/cpuset.mems" >"$d/cl${SLOT}n$I/cpuset.mems"
    fi
    echo "$c" >>"$S/cgroups"
  done
}

launch() {
  (
    exec 9>&-
    while read -r c; do echo 0 >"/sys/fs/cgroup/$c/cl${SLOT}n$I/tasks"; done <"$S/cgroups"
    if [ -e "/sys/fs/cgroup/cl${SLOT}n$I/cgroup.procs" ]; then echo 0 >"/sys/fs/cgroup/cl${SLOT}n$I/cgroup.procs"; fi
    exec setsid nsenter --net="/run/netns/cl${SLOT}n$I" \
      unshare --mount --uts --ipc --pid --cgroup --fork /bin/bash "$SELF" __stage1 "$I" </dev/null >"$S/log" 2>&1
  ) &
}

# before its root is switched a node sees this machine's root, and a libvirtd that may run there
answers() {
  ours "$1" && enter "$1" sh -c '[ -e /run/lab-init ] && [ ! -e /oldroot ] && exec virsh -q -c qemu:///system uri'
}
# HOLD=exec replaces this shell, so that its pid is nsenter's and signals and status pass through
enter() { shift; ${HOLD:-} nsenter -t "$P" -a -r -w env -i HOME=/root TERM=linux PATH="$NODE_PATH" "$@"; }

write_ssh_files() {
  local d i a
  : >"$W/known_hosts.new"; : >"$W/ssh_config.new"
  for d in "$W"/n[1-9]; do
    i=${d##*/n} a=$NET.$((10+${d##*/n}))
    echo "$a $(cut -d' ' -f1,2 "$d/hostkey.pub")" >>"$W/known_hosts.new"
    printf 'Host node%s %s\n  HostName %s\n' "$i" "$a" "$a" >>"$W/ssh_config.new"
  done
  printf 'Host *\n  User root\n  IdentityFile %s\n  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n' \
    "$W/id" "$W/known_hosts" >>"$W/ssh_config.new"
  mv "$W/known_hosts.new" "$W/known_hosts"; mv "$W/ssh_config.new" "$W/ssh_config"
}

up() {
  [ "$(id -u)" = 0 ] || die "needs root (namespaces, bridges, mounts)"
  local p i started=()
  for p in libvirtd virsh qemu-system-x86_64 qemu-img /usr/sbin/sshd ssh-keygen dnsmasq ip nsenter unshare ethtool; do
    command -v "$p" >/dev/null || die "$p is missing; packaging/prepare.sh test installs it"
  done
  for i in "$@"; do [[ $i =~ ^[1-9]$ ]] || die "a node is 1..9, not '$i'"; done
  mkdir -p "$W"; W=$(cd "$W" && pwd); export LAB_DIR=$W; chmod 755 "$W"
  exec 9>"$W/.lock"; flock 9
  mkdir -p "$W/shared"; chmod 1777 "$W/shared"
  [ -s "$W/id" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$W/id"
  make_bridges
  for I in "$@"; do
    ours "$I" && continue
    S=$W/n$I; mkdir -p "$S/m" "$S/images" "$S/data"; chmod 755 "$S" "$S/images" "$S/data"; rm -f "$S/pid"
    [ -s "$S/hostkey" ] || ssh-keygen -q -t ed25519 -N '' -C "node$I" -f "$S/hostkey"
    make_nics; make_cgroup_dirs; launch; started+=("$I")
  done
  write_ssh_files
  flock -u 9
  for I in "${started[@]}"; do
    wait_for answers "$I" || { cat "$W/n$I/log" >&2; ! ours "$I" || enter "$I" cat /run/lab-init.log >&2; die "node $I did not come up"; }
  done
  for I in "$@"; do read -r P _ <"$W/n$I/pid"; echo "node$I $NET.$((10+I)) pid=$P"; done
}

end_node() {
  local k c t
  if ours "$I"; then kill -9 "$P"; while ours "$I"; do sleep 0.02; done; fi   # pid 1 dies: all of the node dies
  for k in 0 1 2; do ip link del "cl$SLOT-$I-$k" 2>/dev/null || :; done
  [ ! -e "/run/netns/cl${SLOT}n$I" ] || ip netns del "cl${SLOT}n$I" || :
  for c in "" $CGROUPS; do
    [ -d "/sys/fs/cgroup/$c/cl${SLOT}n$I" ] || continue
    for t in 1 2 3 4 5 6 7 8 9 10; do
      find "/sys/fs/cgroup/$c/cl${SLOT}n$I" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.1
    done
  done
  rm -rf "$W/n$I"
}

down() {
  [ -d "$W" ] || exit 0
  exec 9>"$W/.lock"; flock 9
  local d
  if [ $# = 0 ]; then for d in "$W"/n[1-9]; do [ ! -d "$d" ] || set -- "$@" "${d##*/n}"; done; fi
  for I in "$@"; do end_node; done
  for d in "$W"/n[1-9]; do [ ! -d "$d" ] || exit 0; done
  ip link del "cl${SLOT}m" 2>/dev/null || :
  ip link del "cl${SLOT}d" 2>/dev/null || :
  rm -rf "$W"
}

status() {
  local d i
  for d in "$W"/n[1-9]; do
    [ -d "$d" ] || continue; i=${d##*/n}
    if ours "$i"; then echo "node$i $NET.$((10+i)) up pid=$P"; else echo "node$i $NET.$((10+i)) down"; fi
  done
}

COMMAND=${1:-}; [ $# = 0 ] || shift
case $COMMAND in
  up) [ $# -gt 0 ] || usage; up "$@" ;;
  down) down "$@" ;;
  status) status ;;
  exec) [ $# -gt 1 ] || usage; ours "$1" || die "node $1 is not up"; HOLD=exec enter "$@" ;;
  __stage1) stage1 "$@" ;;
  __init) init ;;
  *) usage ;;
esac
