#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run_units.sh PROGRAM... : run each cmocka program, show every result, end with "N passed, N failed".
# RUNNER is what runs them, for another machine's programs.
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for program in "$@"; do
	timeout "${UNIT_SECONDS:-300}" ${RUNNER:-} "$program" >"$log" 2>&1
	status=$?
	cat "$log"
	p=$(grep -ac '^\[       OK \]' "$log")
	f=$(grep -ac '^\[  FAILED  \] [A-Za-z_][A-Za-z0-9_]*$' "$log")
	# cmocka names a failed test twice: where it failed and in the closing list.
	named=$(grep -a '^\[  FAILED  \] [A-Za-z_][A-Za-z0-9_]*$' "$log" | sort -u | wc -l)
	f=$named
	if [ "$status" != 0 ] && [ "$f" = 0 ] || [ $((p + f)) = 0 ]; then
		echo "${program##*/}: ended with status $status"
		f=$((f + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
