#!/bin/bash
# install.sh: puts schemathesis, in the versions of requirements.txt, in target/fuzz and prints where its program is.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
PLACE=$(realpath ../../target)/fuzz
mkdir -p "$PLACE"; exec 9>"$PLACE/.lock"; flock 9
stamp=$(python3 --version; sha256sum requirements.txt)
if [ "$(cat "$PLACE/.stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$PLACE/venv"
  python3 -m venv "$PLACE/venv" >&2
  "$PLACE/venv/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt >&2
  echo "$stamp" >"$PLACE/.stamp"
fi
echo "$PLACE/venv/bin/st"
