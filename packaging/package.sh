#!/bin/bash
# package.sh deb|rpm: builds the release binary and packs it. The cargo subcommand that packs is installed in
# target/tools when it is missing (that, and the release build, take many minutes the first time).
set -euo pipefail
cd "$(dirname "$0")/.."
TOOLS=$PWD/target/tools; export PATH=$TOOLS/bin:$PATH
tool() {  # tool NAME VERSION
  command -v "$1" >/dev/null || cargo install --locked --root "$TOOLS" "$1@$2"
}
case ${1:-} in
  deb)
    tool cargo-deb 3.8.0
    cargo build --locked --release
    cargo deb --no-build ;;
  rpm)
    tool cargo-generate-rpm 0.21.1
    cargo build --locked --release
    cargo generate-rpm --auto-req disabled ;;
  *) echo "usage: package.sh deb|rpm" >&2; exit 2 ;;
esac
ls -l target/debian/*.deb target/generate-rpm/*.rpm 2>/dev/null || :
