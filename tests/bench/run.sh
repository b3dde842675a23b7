#!/bin/bash
# run.sh [ROW...]: measures a release build side by side with what one would use otherwise, and prints one
# table. Rows: clones start lanes waiting pages console memory answer. Needs root (lab nodes). Nothing passes or fails here.
# `disks` alone is disks.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$*" = disks ]; then exec tests/bench/disks.sh; fi
runner=()
if [ "$(id -u)" != 0 ]; then
  host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  runner=(env "CARGO_TARGET_${host}_RUNNER=sudo -E")
fi
exec "${runner[@]}" cargo bench --locked --bench carrel -- "$@"
