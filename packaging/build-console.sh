#!/bin/bash
# build-console.sh [check|test]: builds static/dist when its sources changed since the last time;
# check: types and lint, test: its unit tests.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
TARGET=$PWD/target; DO=${1:-build}
cd static
mkdir -p "$TARGET"; exec 9>"$TARGET/.console.lock"; flock 9

# A distribution's Node may be older than the build tools need; npm's registry has Node as a package.
wanted=$(sed -n 's/.*"node": *">=\([0-9.]*\)".*/\1/p' package.json)
PATH=$TARGET/node/node_modules/node/bin:$PATH
have=$(node --version 2>/dev/null | tr -d v || :)
if [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" != "$wanted" ]; then
  echo "console: Node ${have:-is missing} (needs $wanted or newer); installing one in target/node" >&2
  npm install --no-audit --no-fund --silent --prefix "$TARGET/node" "node@22"
fi

stamp_of() { sha256sum "$@" | sha256sum; }
lock=$(stamp_of package.json package-lock.json)
if [ ! -d node_modules ] || [ "$(cat node_modules/.stamp 2>/dev/null)" != "$lock" ]; then
  echo "console: installing its packages" >&2
  npm ci --no-audit --no-fund
  echo "$lock" >node_modules/.stamp
fi

case $DO in
  build)
    mapfile -d '' sources < <(find . \( -name node_modules -o -name dist \) -prune -o -type f -print0 | sort -z)
    sources=$(stamp_of "${sources[@]}")
    if [ ! -s dist/index.html ] || [ "$(cat "$TARGET/.console.stamp" 2>/dev/null)" != "$sources" ]; then
      echo "console: building" >&2
      npm run --silent build
      echo "$sources" >"$TARGET/.console.stamp"
    fi ;;
  check|test) npm run --silent "$DO" ;;
  *) echo "usage: build-console.sh [check|test]" >&2; exit 2 ;;
esac
