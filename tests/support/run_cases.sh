#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run_cases.sh [DIR FILE...]: the cases of the project through the runners of tests/case, or with DIR the case files of
# another directory (FILE without .jsonl: expr, relabel, file_tail, file_match, positions, write, api, or one of a stage). Cases that use a
# stage which this longship does not have are left out, and counted as skipped. Ends with "N passed, N failed[, N skipped]".
set -u
tests=$(cd "$(dirname "$0")/.." && pwd)
LONGSHIP=${LONGSHIP:-$tests/../build/longship}
work=$(mktemp -d)
log=$work/log
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# run NAME COMMAND...: its closing line counts.
run() {
	local name=$1 status p=0 f=0 s=0 line
	shift
	"$@" >"$log" 2>&1
	status=$?
	line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
	read -r p _ f _ s _ <<<"${line:-0 passed, 0 failed} 0"
	[ $status = 0 ] || [ "$f" -gt 0 ] || f=1
	[ "$f" = 0 ] || grep -avxF "$line" "$log" | tail -n 40
	echo "$name: $p passed, $f failed${s:+, $s skipped}"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
}

if [ $# -gt 0 ]; then
	dir=$1
	shift
	# By default all that this longship has: expressions, relabelling, pipelines, pushes, files, and its stages.
	known=$("$LONGSHIP" help loki.process | sed -n 's/^  stage\.\([a-z_]*\) .*/\1/p')
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- expr relabel process write api file_match file_tail positions $known
	lacking="stage\.(?!(${known//$'\n'/|})\b)[a-z]"
	# Go's template prints <no value> for a key that is not there, in a map of strings, too: the case was not taken from a
	# test of Alloy's, and expects "".
	wrong='"id": "replace-15", "from": "derived:'
	# A script of scrapes: test_metrics__idle_series_go of tests/unit does what it says.
	scripted='"kind": "expiry"'
	for file in "$@"; do
		[ -e "$dir/$file.jsonl" ] || { echo "$file: no cases"; continue; }
		grep -vP "$lacking" "$dir/$file.jsonl" | grep -vF -e "$wrong" -e "$scripted" >"$work/$file.jsonl"
		grep -F -e "$wrong" -e "$scripted" "$dir/$file.jsonl" | sed 's/^{"id": "\([^"]*\)".*/\1: left out, see run_cases.sh/'
		left_out=$(($(wc -l <"$dir/$file.jsonl") - $(wc -l <"$work/$file.jsonl")))
		grep -qP "$lacking" "$dir/$file.jsonl" &&
			echo "$file: left out is what uses $(grep -oP "${lacking}[a-z_]*" "$dir/$file.jsonl" | sort -u | tr '\n' ' ')"
		skipped=$((skipped + left_out))
		case $file in
		expr) run expr python3 "$tests/case/run_expr.py" "$LONGSHIP" "$work" ;;
		positions) run positions python3 "$tests/case/run_positions.py" "$LONGSHIP" "$work/positions.jsonl" ;;
		file_match | file_tail) run "$file" python3 "$tests/case/run_files.py" "$LONGSHIP" "$work/$file.jsonl" ;;
		relabel) run relabel python3 "$tests/case/run_relabel.py" "$LONGSHIP" "$work/relabel.jsonl" ;;
		api) run api python3 "$tests/case/run_api.py" "$LONGSHIP" "$work/api.jsonl" ;;
		write) run write python3 "$tests/case/run_write.py" "$LONGSHIP" "$work/write.jsonl" ;;
		journal) run journal python3 "$tests/case/run_journal.py" "$LONGSHIP" "$work/journal.jsonl" ;;
		*) run "$file" python3 "$tests/case/run_stages.py" "$LONGSHIP" "$work/$file.jsonl" ;;
		esac
	done
else
	[ ! -e "$tests/case/expr.jsonl" ] || run expr python3 "$tests/case/run_expr.py" "$LONGSHIP" "$tests/case"
	run write python3 "$tests/case/run_write.py" "$LONGSHIP" "$tests/case/write.jsonl"
	run api python3 "$tests/case/run_api.py" "$LONGSHIP" "$tests/case/api.jsonl"
	run graph python3 "$tests/case/run_graph.py" "$LONGSHIP"
	[ ! -e "$tests/case/relabel.jsonl" ] || run relabel python3 "$tests/case/run_relabel.py" "$LONGSHIP" "$tests/case/relabel.jsonl"
	run journal python3 "$tests/case/run_journal.py" "$LONGSHIP" "$tests/case/journal.jsonl"
	run positions python3 "$tests/case/run_positions.py" "$LONGSHIP" "$tests/case/positions.jsonl"
	run files python3 "$tests/case/run_files.py" "$LONGSHIP" "$tests/case/file_match.jsonl" "$tests/case/file_tail.jsonl"
	for file in "$tests"/case/stage/*.jsonl; do
		[ ! -e "$file" ] || run "$(basename "$file" .jsonl)" python3 "$tests/case/run_stages.py" "$LONGSHIP" "$file"
	done
fi
if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed = 0 ] && [ $passed -gt 0 ]
