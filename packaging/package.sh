#!/bin/bash
# package.sh deb|rpm: packs Carrel into target/packages, with the distribution's own tools (dpkg-deb, rpmbuild).
#
#   BINARY=FILE    packs this one instead of building a release
#   REVISION=1     of the package
#   OUT=DIR        instead of target/packages
#   FAST=1         hardly compresses
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
KIND=${1:-} REVISION=${REVISION:-1} OUT=${OUT:-$PWD/target/packages}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
case $KIND in deb|rpm) ;; *) echo "usage: package.sh deb|rpm" >&2; exit 2 ;; esac
if [ -z "${BINARY:-}" ]; then
  cargo build --locked --release
  BINARY=${CARGO_TARGET_DIR:-$PWD/target}/release/carrel
fi
mkdir -p "$OUT" target; OUT=$(cd "$OUT" && pwd) BINARY=$(readlink -f "$BINARY")
WORK=$(mktemp -d "$PWD/target/package.XXXXXX"); trap 'rm -rf "$WORK"' EXIT
ROOT=$WORK/root
packaging/install.sh "$ROOT" "$BINARY"
strip --strip-unneeded "$ROOT/usr/bin/carrel"

# $1: the template of the control file
control() {
  local libraries
  mkdir -p "$WORK/debian"; printf 'Source: carrel\n\nPackage: carrel\nArchitecture: any\n' >"$WORK/debian/control"
  libraries=$(cd "$WORK" && dpkg-shlibdeps -O -e "$ROOT/usr/bin/carrel" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
  [ -n "$libraries" ] || { echo "package.sh: dpkg-shlibdeps found no libraries" >&2; return 1; }
  sed -e "s/@VERSION@/$VERSION-$REVISION/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" \
    -e "s/@LIBRARIES@/$libraries/" -e "s/@SIZE@/$(du -sk "$ROOT" | cut -f1)/" "$1"
}

deb() {
  local file=$OUT/carrel_$VERSION-${REVISION}_$(dpkg --print-architecture).deb script
  install -D -m 644 LICENSE "$ROOT/usr/share/doc/carrel/copyright"
  mkdir "$ROOT/DEBIAN"
  control packaging/deb/control >"$ROOT/DEBIAN/control"
  echo /etc/carrel/carrel.toml >"$ROOT/DEBIAN/conffiles"
  for script in postinst prerm postrm; do install -m 755 "packaging/deb/$script" "$ROOT/DEBIAN/$script"; done
  dpkg-deb --root-owner-group ${FAST:+-Zgzip -z1} -b "$ROOT" "$file"
}

rpm() {
  install -D -m 644 LICENSE "$ROOT/usr/share/licenses/carrel/LICENSE"
  rpmbuild -bb --quiet --define "_topdir $WORK/rpm" --define "version $VERSION" --define "revision $REVISION" \
    --define "staged $ROOT" ${FAST:+--define '_binary_payload w1.gzdio'} packaging/rpm/carrel.spec
  cp "$WORK"/rpm/RPMS/*/*.rpm "$OUT/"
}

$KIND
ls -l "$OUT"/*."$KIND"
