#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each stage costs a line: nanoseconds, allocations (none, or it ends with 1), and with valgrind instructions.
#
#     tests/bench/stages.sh [BUILD [NAME…]]
set -u
build=${1:-build}
shift
status=0
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
"$build/tests/bench/stages" "$@" >"$rows" || status=1
if ! command -v valgrind >/dev/null; then
	cat "$rows"
	echo "no instructions: valgrind is not there (packaging/deps.sh bench installs it)"
	exit $status
fi
while IFS= read -r row; do
	name=$(sed -E 's/ +[0-9]+ bytes.*//' <<<"$row")
	out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no "$build/tests/bench/stages" -i "$name" 2>&1)
	lines=$(grep -oE '^[0-9]+$' <<<"$out") collected=$(sed -n 's/.*Collected : //p' <<<"$out")
	printf '%s %8s instructions/line\n' "$row" "$(awk -v c="${collected:-0}" -v n="${lines:-1}" 'BEGIN { printf "%.0f", c / n }')"
done <"$rows"
exit $status
