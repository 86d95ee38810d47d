#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run_corpus.sh BUILD/tests/fuzz/replay_NAME... : run each over tests/fuzz/corpus/NAME, a file at a time counted as one.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
passed=0 failed=0
for program in "$@"; do
	name=${program##*/replay_}
	corpus=$here/fuzz/corpus/$name
	files=$(find "$corpus" -type f 2>/dev/null | sort)
	n=$(printf '%s' "$files" | grep -c .)
	if [ "$n" = 0 ]; then
		echo "FAIL $name: no corpus in tests/fuzz/corpus/$name"
		failed=$((failed + 1))
		continue
	fi
	# All at once; only when that fails, one by one to name the file.
	# shellcheck disable=SC2086
	if timeout 120 "$program" $files >/dev/null 2>&1; then
		echo "ok   $name: $n files"
		passed=$((passed + n))
		continue
	fi
	for file in $files; do
		if timeout 20 "$program" "$file" >/dev/null 2>&1; then
			passed=$((passed + 1))
		else
			echo "FAIL $name: $program $file"
			failed=$((failed + 1))
		fi
	done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
