#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh fake|loki [NN ...]: run the scenarios whose line "# with: ..." names this receiver, all or the numbered ones.
#
# A scenario ends with 0, 77 (skipped, and it says why), or anything else. "# not under: thread address" leaves it out
# of runs with that sanitizer. JOBS of them run at a time (1); with more than one, each is shown when it has ended. Ends with
# "N passed, N failed, N skipped".
set -u
here=$(cd "$(dirname "$0")" && pwd)
receiver=${1:?fake or loki}
shift
jobs=${JOBS:-1}
loki_dir=
results=$(mktemp -d "${TMPDIR:-/tmp}/longship-run.XXXXXX")

finish() {
	rm -rf "$results"
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

# run FILE NAME: one of them. What became of it is a file of that name.
run() {
	local start=$SECONDS status took
	timeout -k 10 "${SCENARIO_SECONDS:-600}" bash "$1"
	status=$?
	took=$((SECONDS - start))
	case $status in
	0) echo "PASS $2 ($took s)"; : >"$results/$2.passed" ;;
	77) echo "SKIP $2 ($took s)"; : >"$results/$2.skipped" ;;
	*) echo "FAIL $2 ($took s, status $status)"; : >"$results/$2.failed" ;;
	esac
}
count() { find "$results" -name "*.$1" | wc -l; }

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
	if [ "$jobs" = 1 ]; then
		run "$file" "$name"
	else
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		{
			run "$file" "$name" >"$results/$name.out" 2>&1
			flock "$results" cat "$results/$name.out"
		} &
	fi
done
wait
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
