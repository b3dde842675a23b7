#!/bin/bash
# install.sh: prints where nginx is. Without one on this machine the distribution's program is put in target/nginx: only
# unpacked, so that no web server begins to run here.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin
command -v nginx && exit
PLACE=$(realpath ../../target)/nginx
mkdir -p "$PLACE"; exec 9>"$PLACE/.lock"; flock 9
if [ ! -x "$PLACE/usr/sbin/nginx" ]; then
  cd "$PLACE"
  if command -v apt-get >/dev/null; then
    apt-get -q download nginx >&2
    dpkg-deb -x nginx_*.deb .
  else
    dnf -q download nginx-core >&2
    rpm2cpio nginx-core-*.rpm | cpio --quiet -id
  fi
fi
echo "$PLACE/usr/sbin/nginx"
