#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh fake|loki [NN ...]: run the scenarios whose line "# with: ..." names this receiver, all or the numbered ones.
#
# A scenario ends with 0, 77 (skipped, and it says why), or anything else. "# not under: thread address" leaves it out
# of runs with that sanitizer. Ends with "N passed, N failed, N skipped".
set -u
here=$(cd "$(dirname "$0")" && pwd)
receiver=${1:?fake or loki}
shift
passed=0 failed=0 skipped=0
loki_dir=

finish() {
	[ -z "$loki_dir" ] || { "$here/../loki/loki.sh" stop "$loki_dir" && rm -rf "$loki_dir"; }
}
trap finish EXIT
trap 'exit 130' INT TERM

wanted() {
	local number=$1 one
	shift
	[ $# -gt 0 ] || return 0
	for one in "$@"; do [ "$one" = "$number" ] && return 0; done
	return 1
}

if [ "$receiver" = loki ]; then
	if [ -z "${LOKI_SHARED:-}" ]; then
		if ! "$here/../loki/build.sh" >/dev/null; then
			echo "There is no Loki here: set LOKI_BIN to one, or see tests/loki/README.md for what building it takes."
			[ "${CI:-}" = true ] && { echo "0 passed, 1 failed"; exit 1; }
			echo "0 passed, 0 failed, 1 skipped"
			exit 0
		fi
		loki_dir=$(mktemp -d "${TMPDIR:-/tmp}/longship-loki.XXXXXX")
		port=$(python3 "$here/../support/probe.py" ports 1)
		# Scenarios that refuse a tenant write here.
		export LOKI_RUNTIME=$loki_dir/runtime.yaml
		echo 'overrides: {}' >"$LOKI_RUNTIME"
		LOKI_SHARED=$(LOKI_AUTH=true LOKI_ARGS="-runtime-config.file=$LOKI_RUNTIME -runtime-config.reload-period=1s" "$here/../loki/loki.sh" start "$loki_dir" "$port") || { echo "0 passed, 1 failed"; exit 1; }
		echo "Loki: $LOKI_SHARED"
	fi
	export LOKI_SHARED
fi
export RECEIVER=$receiver

for file in "$here"/[0-9][0-9]-*.sh; do
	name=$(basename "$file" .sh)
	wanted "${name%%-*}" "$@" || continue
	grep -q "^# with:.*\b$receiver\b" "$file" || continue
	if [ -n "${LONGSHIP_SAN:-}" ] && grep '^# not under:' "$file" | grep -qwE "${LONGSHIP_SAN//,/|}"; then
		continue
	fi
	start=$SECONDS
	timeout -k 10 "${SCENARIO_SECONDS:-600}" bash "$file"
	status=$?
	took=$((SECONDS - start))
	case $status in
	0) echo "PASS $name ($took s)"; passed=$((passed + 1)) ;;
	77) echo "SKIP $name ($took s)"; skipped=$((skipped + 1)) ;;
	*) echo "FAIL $name ($took s, status $status)"; failed=$((failed + 1)) ;;
	esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
