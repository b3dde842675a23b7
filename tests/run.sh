#!/bin/bash
# run.sh [SUITE...]: runs the test suites and prints a summary. Those of the browser mostly wait and run beside the others.
#
# Suites: unit (beside the code), console (unit tests of the web console), and one per folder tests/*/main.rs.
# Those of $ROOT_SUITES need root (namespaces, libvirt) and go through sudo when it is another user.
# The whole output is in target/test-logs/SUITE.log; of a suite that fails it is shown.
# The few tests of a suite that fail beside the others run once more, alone: what passes then depends on what else the
# machine does, and is listed as shaky.
set -uo pipefail
export LC_ALL=C.UTF-8 RUST_BACKTRACE=1
cd "$(dirname "$0")/.."
ROOT_SUITES="api lab faults browser package"
LOGS=target/test-logs; mkdir -p "$LOGS"

all=(unit console)
for main in tests/*/main.rs; do main=${main#tests/}; all+=("${main%/main.rs}"); done
[ $# -gt 0 ] || set -- "${all[@]}"

echo "== build"
cargo test --locked --no-run || exit 1

# storages keep 5 GiB free: below that hundreds of tests would fail, each with its own words
for folder in target "${TMPDIR:-/tmp}"; do
  free=$(df --output=avail --block-size=1G "$folder" | tail -n 1)
  [ "$free" -ge 8 ] || { echo "tests need 8 GiB free below $folder ($free GiB are)" >&2; exit 1; }
done

# a test that hangs fails, instead of holding up everything
limit() { timeout --kill-after=10 "${SUITE_LIMIT:-1500}" "$@"; }
host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
# run_suite SUITE [TEST...]: all of it, or these tests
run_suite() {
  # as who builds, who need not be root
  [ "$1" != package ] || limit tests/package/previous.sh || return 1
  local runner=() only=()
  [ $# = 1 ] || only=(-- --exact "${@:2}")
  if [ "$(id -u)" != 0 ] && [[ " $ROOT_SUITES " == *" $1 "* ]]; then runner+=(sudo -E); fi
  [ "$1" != browser ] || runner+=("$PWD/tests/apart.sh")
  case $1 in
    unit) limit cargo test --locked --bins "${only[@]}" ;;
    console) limit packaging/build-console.sh test ;;
    *)
      [ ${#runner[@]} = 0 ] || export "CARGO_TARGET_${host}_RUNNER=${runner[*]}"
      limit cargo test --locked --test "$1" "${only[@]}" ;;
  esac
}
# counts of "test result: ok. 3 passed; 1 failed; …" and of vitest's "Tests  2 failed | 5 passed (7)"
count() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E '^(test result:| *Tests )' | grep -oE "[0-9]+ $2" | awk '{n += $1} END {print n + 0}'
}

# Leaves the log, and a file with exit status and seconds.
timed() {
  local start=$SECONDS status
  (run_suite "$1") >"$LOGS/$1.log" 2>&1; status=$?
  echo "$status $((SECONDS - start))" >"$LOGS/$1.end"
}

FEW=5
# The tests of a suite that failed.
failures() { sed -n '/^failures:$/,/^test result/p' "$LOGS/$1.log" | grep -xE '    [a-z0-9_:]+' | sort -u; }
# What they said, in short.
reasons() { grep -A3 "^thread .* panicked at " "$LOGS/$1.log" | grep -vE '^(stack backtrace:|note: |--$| +[0-9]+: )' | cut -c1-300; }

# run_again SUITE FAILED: the few that failed, alone; gives how many still fail. Of a suite that names none all do.
run_again() {
  local names
  mapfile -t names < <(failures "$1" | tr -d ' ')
  if [ ${#names[@]} != "$2" ] || [ "$2" -gt $FEW ]; then echo "$2"; return; fi
  (run_suite "$1" "${names[@]}") >"$LOGS/$1-again.log" 2>&1
  echo $(($2 - $(count "$LOGS/$1-again.log" passed)))
}

passed=0 failed=0 shaky=0 broken=0 table= told=
sum_up() {
  local suite=$1 status took p f s=0 word=ok left
  read -r status took <"$LOGS/$suite.end"
  p=$(count "$LOGS/$suite.log" passed) f=$(count "$LOGS/$suite.log" failed)
  if [ "$status" = 0 ] && [ "$p" = 0 ]; then status=1; echo "no test ran in suite $suite" >>"$LOGS/$suite.log"; fi
  if [ "$status" != 0 ]; then
    grep -vE '^test .* \.\.\. ok$' "$LOGS/$suite.log" | tail -n 400
    told+="== $suite"$'\n'$(failures "$suite"; reasons "$suite")$'\n'
    left=$f
    [ "$f" = 0 ] || left=$(run_again "$suite" "$f")
    s=$((f - left)) p=$((p + s)) f=$left word=shaky
    if [ "$left" != 0 ] || [ "$s" = 0 ]; then
      word=FAILED broken=1
      [ "$f" != 0 ] || f=1        # it did not come to its tests, or did not end
    fi
  fi
  passed=$((passed + p)) failed=$((failed + f)) shaky=$((shaky + s))
  table+=$(printf '%-10s %6d %7d %7d %6ds  %s' "$suite" "$p" "$f" "$s" "$took" "$word")$'\n'
}

end_tree() {
  local child
  for child in $(pgrep -P "$1"); do end_tree "$child"; done
  kill "$1" 2>/dev/null
}

if [[ " $* " == *" browser "* ]]; then
  tests/proxy/install.sh >/dev/null || exit 1   # fetched here: there is no way out from where that suite runs
  echo "== browser, beside the others"
  timed browser & beside=$!
  trap 'end_tree $beside' EXIT
fi
for suite in "$@"; do
  [ "$suite" != browser ] || continue
  echo "== $suite"
  timed "$suite"
done
if [ -n "${beside:-}" ]; then wait "$beside"; trap - EXIT; fi
for suite in "$@"; do sum_up "$suite"; done

printf '\n%s\n%-10s %6s %7s %7s %7s\n%s' "$told" suite passed failed shaky time "$table"
echo "$passed passed, $failed failed, $shaky of the passed only when they ran alone"
exit "$broken"
