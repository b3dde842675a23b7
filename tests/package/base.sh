#!/bin/bash
# base.sh FOLDER PACKAGE...: unpacks into the empty FOLDER a Debian (or Ubuntu) of this machine's suite with systemd
# and with these packages, and nothing that they do not ask for. It is made by mmdebstrap once and kept in
# ${CARREL_TEST_CACHE:-/var/cache/carrel-tests}. Needs root.
set -euo pipefail
export LC_ALL=C
FOLDER=$1; shift
. /etc/os-release
CACHE=${CARREL_TEST_CACHE:-/var/cache/carrel-tests}
# curl asks what a browser would; the rest is what any machine with systemd has
PACKAGES=(apt systemd-sysv dbus iproute2 procps curl ca-certificates "$@")
KEY=$( { cat "$(readlink -f "$0")"; echo "$ID $VERSION_CODENAME ${PACKAGES[*]}"; } | sha256sum | cut -c1-16)
TAR=$CACHE/$VERSION_CODENAME-$KEY.tar
command -v mmdebstrap >/dev/null || { echo "base.sh: mmdebstrap is missing; packaging/prepare.sh test installs it" >&2; exit 1; }

mkdir -p "$CACHE"; exec 9>"$CACHE/lock"; flock 9
if [ ! -s "$TAR" ]; then
  echo "making $TAR" >&2
  WORK=$(mktemp -d "$CACHE/new.XXXXXX"); trap 'rm -rf "$WORK"' EXIT
  # from where, and how, this machine gets its packages
  apt-config dump Acquire | grep -v '^Acquire::IndexTargets' >"$WORK/apt.conf"
  SOURCES=()
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    case $file in
      *.list|*.sources) ! grep -qsE "^[^#]*\b$VERSION_CODENAME\b.*\bmain\b|^Suites:.*\b$VERSION_CODENAME" "$file" || SOURCES+=("$file") ;;
    esac
  done
  IFS=,; INCLUDE="${PACKAGES[*]}"; IFS=$' \t\n'
  mmdebstrap --quiet --variant=minbase --mode=root --include="$INCLUDE" --aptopt="$WORK/apt.conf" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io "$VERSION_CODENAME" "$WORK/base.tar" "${SOURCES[@]}"
  # what earlier versions of this script or of the package asked for
  find "$CACHE" -maxdepth 1 -name "$VERSION_CODENAME-*.tar" -mtime +14 -delete
  mv "$WORK/base.tar" "$TAR"
fi
touch "$TAR"
tar -C "$FOLDER" -xf "$TAR"
