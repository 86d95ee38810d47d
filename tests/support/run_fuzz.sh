#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run_fuzz.sh BUILD/tests/fuzz/fuzz_NAME... : each for FUZZ_SECONDS from a copy of its corpus; findings stay in BUILD.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
for program in "$@"; do
	name=${program##*/fuzz_}
	mkdir -p "$work/$name"
	cp "$here/fuzz/corpus/$name"/* "$work/$name/" 2>/dev/null
	finds=$(dirname "$program")/findings/$name
	mkdir -p "$finds"
	dict=$here/fuzz/corpus/$name.dict
	if "$program" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$finds/" ${dict:+$([ -e "$dict" ] && echo "-dict=$dict")} "$work/$name" >"$work/log" 2>&1; then
		echo "ok   $name: $(awk '/number_of_executed_units/ { print $2 }' "$work/log") runs"
		passed=$((passed + 1))
	else
		grep -aE 'ERROR|SUMMARY|runtime error|Test unit written|#[0-9]+ 0x' "$work/log" | head -n 20
		echo "FAIL $name: the input is in $finds"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
