#!/bin/bash
# install.sh: puts the identity provider of the tests, with its packages, in target/oidc, and prints the node that runs it.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
TARGET=$PWD/../../target; PLACE=$TARGET/oidc
mkdir -p "$PLACE"; exec 9>"$PLACE/.lock"; flock 9
# as for the console: a distribution's Node may be older than the packages need
PATH=$TARGET/node/node_modules/node/bin:$PATH
have=$(node --version 2>/dev/null | tr -d v || :)
if [ -z "$have" ] || [ "$(printf '%s\n20.19\n' "$have" | sort -V | head -1)" != 20.19 ]; then
  npm install --no-audit --no-fund --silent --prefix "$TARGET/node" "node@22" >&2
fi
stamp=$(sha256sum package.json package-lock.json | sha256sum)
if [ "$(cat "$PLACE/.stamp" 2>/dev/null)" != "$stamp" ]; then
  cp .npmrc package.json package-lock.json "$PLACE"
  (cd "$PLACE" && npm ci --no-audit --no-fund --silent) >&2
  echo "$stamp" >"$PLACE/.stamp"
fi
cp provider.mjs "$PLACE/provider.mjs"
command -v node
