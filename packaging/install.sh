#!/bin/bash
# install.sh ROOT BINARY: puts what a package holds below ROOT. DEB and RPM hold the same files.
set -euo pipefail
ROOT=$1 BINARY=$2
cd "$(dirname "$0")/.."
put() { install -D -m "$1" "$2" "$ROOT$3"; }
put 755 "$BINARY" /usr/bin/carrel
put 640 packaging/carrel.toml /etc/carrel/carrel.toml
put 644 packaging/carrel.service /usr/lib/systemd/system/carrel.service
put 644 packaging/carrel-agent.service /usr/lib/systemd/system/carrel-agent.service
put 644 packaging/carrel.sysusers /usr/lib/sysusers.d/carrel.conf
put 644 packaging/carrel.tmpfiles /usr/lib/tmpfiles.d/carrel.conf
put 644 README.md /usr/share/doc/carrel/README.md
put 644 CHANGELOG.md /usr/share/doc/carrel/CHANGELOG.md
