#!/bin/bash
# prepare.sh [run|test|package]: installs what building (always) and running, testing or packaging need.
#
# Works with apt and dnf, by sudo when not root. Does nothing, in well under a second, when all is there. It
# restarts no service. The Rust toolchain is not installed by it: it says how.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
FOR=${1:-run}
say() { echo "prepare: $*" >&2; }
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -E "$@"; fi; }

needs_node() { ! command -v node >/dev/null || ! command -v npm >/dev/null; }

# the newest FreeRDP of this suite: its client, and its server of a screen
freerdp() {
  local have=2
  command -v xfreerdp3 >/dev/null && have=3
  command -v xfreerdp >/dev/null || [ $have = 3 ] || ! apt-cache show freerdp3-x11 >/dev/null 2>&1 || have=3
  echo freerdp$have-x11 freerdp$have-shadow-x11
}

# QEMU's SPICE, where it is no part of the packages that are installed anyway
spice() {
  ! compgen -G '/usr/lib/*/qemu/ui-spice-core.so' >/dev/null || return 0
  ! apt-cache show qemu-system-modules-spice >/dev/null 2>&1 || echo qemu-system-modules-spice
}

debian_packages() {
  echo gcc libc6-dev make pkg-config libvirt-dev git ca-certificates
  ! needs_node || echo nodejs npm
  case $FOR in run|test)
    spice
    echo libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils ovmf swtpm swtpm-tools dnsmasq-base iptables iproute2 procps curl ;;
  esac
  [ "$FOR" != test ] || echo openssl openssh-server openssh-client ethtool chromium chromium-driver fonts-noto-cjk \
    busybox-static isolinux syslinux syslinux-common mtools dosfstools xorriso cpio fdisk binutils python3-aiosmtpd python3-venv slapd \
    mmdebstrap systemd-container virtinst osinfo-db libxml2-utils virt-viewer xvfb $(freerdp)
  case $FOR in package|test) echo dpkg-dev rpm ;; esac
}

fedora_packages() {
  echo gcc make pkgconf-pkg-config libvirt-devel git ca-certificates
  ! needs_node || echo nodejs npm
  case $FOR in run|test)
    echo libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-network libvirt-daemon-driver-storage \
      libvirt-client qemu-kvm-core qemu-img edk2-ovmf swtpm swtpm-tools dnsmasq iptables-nft iproute procps-ng curl ;;
  esac
  [ "$FOR" != test ] || echo openssl openssh-server openssh-clients ethtool chromium chromedriver google-noto-sans-cjk-fonts \
    busybox syslinux mtools dosfstools xorriso cpio util-linux binutils python3-aiosmtpd openldap-servers \
    mmdebstrap systemd-container virt-install osinfo-db libxml2 virt-viewer xorg-x11-server-Xvfb freerdp freerdp-server \
    qemu-ui-spice-core qemu-audio-spice qemu-char-spice qemu-device-display-qxl qemu-device-usb-redirect
  case $FOR in package|test) echo dpkg dpkg-dev rpm-build ;; esac
}

# packages that a newer one from backports (of qemu-utils) keeps out: all of QEMU in the version of the suite
install_with_suites_qemu() {
  local version
  version=$(apt-cache madison qemu-system-x86 | awk '{print $3; exit}')
  [ -n "$version" ] || return 1
  say "a newer qemu-utils is in the way; installing all of QEMU as $version"
  root apt-get install -y -q --no-install-recommends --allow-downgrades --no-remove "$@" \
    "qemu-utils=$version" "qemu-system-x86=$version" "qemu-system-common=$version"
}

# of the packages named, those that are not installed
absent_debs() {
  local installed p
  installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "ii" {print $2}' || :)
  for p in "$@"; do grep -qxF "$p" <<<"$installed" || echo "$p"; done
}

with_apt() {
  local all missing
  read -r -d '' -a all < <(debian_packages) || :
  read -r -d '' -a missing < <(absent_debs "${all[@]}") || :
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  # tests run a directory server of their own; without a configuration none is started on this machine
  [[ " ${missing[*]} " != *" slapd "* ]] || root debconf-set-selections <<<"slapd slapd/no_configuration boolean true"
  root apt-get update -q
  # never at the cost of a package that is there: apt would rather remove qemu-utils than fail
  root apt-get install -y -q --no-install-recommends --no-remove "${missing[@]}" \
    || install_with_suites_qemu "${missing[@]}"
  read -r -d '' -a missing < <(absent_debs "${all[@]}") || :
  if [ ${#missing[@]} -gt 0 ]; then say "still missing after the installation: ${missing[*]}"; exit 1; fi
}

with_dnf() {
  local all missing=() p
  read -r -d '' -a all < <(fedora_packages) || :
  for p in "${all[@]}"; do rpm -q --quiet --whatprovides "$p" || missing+=("$p"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  root dnf install -y --setopt=install_weak_deps=False "${missing[@]}"
}

# what the packages are for, whatever a package manager says of them
programs() {
  case $FOR in run|test) ;; *) return 0 ;; esac
  local p absent=()
  for p in qemu-img virsh libvirtd dnsmasq ip; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$p" >/dev/null || absent+=("$p")
  done
  PATH=$PATH:/usr/libexec command -v qemu-system-x86_64 qemu-kvm >/dev/null || absent+=(qemu-system-x86_64)
  [ ${#absent[@]} -eq 0 ] || { say "still missing after the installation: ${absent[*]}"; exit 1; }
}

if command -v apt-get >/dev/null; then with_apt
elif command -v dnf >/dev/null; then with_dnf
else
  say "neither apt-get nor dnf is here; install these by hand:"; fedora_packages >&2; exit 1
fi

programs

wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
have=$( { cargo --version 2>/dev/null || "$HOME/.cargo/bin/cargo" --version 2>/dev/null || :; } | awk '{print $2}')
if [ -z "$have" ]; then
  say "the Rust toolchain ($wanted or newer) is missing. Install it from https://rustup.rs, or where the distribution"
  say "has that version: apt-get install cargo, dnf install cargo. Then run the same command again."
  exit 1
fi
if [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" != "$wanted" ]; then
  say "cargo $have is too old, Rust $wanted or newer is needed: rustup update stable"
  exit 1
fi
