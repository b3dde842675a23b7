#!/bin/bash
# run.sh: builds the binary and runs Carrel in the foreground, as root, on loopback.
#
#   LISTEN=127.0.0.1:50004   DATA=/var/lib/carrel-run (must be a place that QEMU's user can enter, so not in
#   a home directory)   RELEASE=1 builds with optimisation
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked ${RELEASE:+--release}
packaging/libvirtd.sh
DATA=${DATA:-/var/lib/carrel-run}
binary=target/debug/carrel; [ -z "${RELEASE:-}" ] || binary=target/release/carrel
echo "Carrel keeps its data in $DATA; Ctrl-C stops it, guests run on" >&2
set --; [ "$(id -u)" = 0 ] || set -- sudo -E
exec "$@" "$binary" serve --data-dir "$DATA" --listen "${LISTEN:-127.0.0.1:50004}"
