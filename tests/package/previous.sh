#!/bin/bash
# previous.sh: builds and packs the commit before this one, with a debug binary, as revision 1; prints the file.
# It is kept below the target directory. What it depends on is taken from this checkout's own build.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
ROOT=$PWD TARGET=${CARGO_TARGET_DIR:-$PWD/target}
git() { command git -c safe.directory="$ROOT" "$@"; }
commit=$(git rev-parse --verify --quiet 'HEAD^') || {
  echo "previous.sh: there is no commit before HEAD here (a shallow clone?): nothing to upgrade from" >&2; exit 1; }
WORK=$TARGET/previous/$commit
mkdir -p "$WORK"; exec 9>"$TARGET/previous/lock"; flock 9
ready() { compgen -G "$WORK/packages/*.deb"; }
if ! ready >/dev/null; then
  rm -rf "$WORK/tree"; mkdir -p "$WORK/tree/static/dist"
  git archive "$commit" | tar -C "$WORK/tree" -xf -
  # hard links of the libraries, which are the same for both and never written again; nothing of Carrel itself
  BUILD=$TARGET/previous/target
  if [ ! -d "$BUILD/debug" ]; then
    mkdir -p "$BUILD/debug"
    (cd "$TARGET/debug" && find deps build .fingerprint -not -path '*/carrel-*' -type f -print0 |
      cpio --quiet --null --pass-through --link --make-directories --preserve-modification-time "$BUILD/debug")
  fi
  # with a test: the libraries are built with the features that the tests here use
  echo "building $(git log -1 --format=%h "$commit"), the commit before this one" >&2
  (cd "$WORK/tree" && CARGO_TARGET_DIR=$BUILD CARGO_INCREMENTAL=0 cargo test --quiet --locked --no-run --test house >&2)
  (cd "$WORK/tree" && BINARY=$BUILD/debug/carrel REVISION=1 FAST=1 OUT=$WORK/packages packaging/package.sh deb >&2)
  rm -rf "$WORK/tree"
  # only the one that is wanted now
  find "$TARGET/previous" -mindepth 1 -maxdepth 1 -type d -not -name target -not -name "$commit" -exec rm -rf {} +
fi
ready
