#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# steps.sh [NAME=]TARGET[:MINUTES] ... : make each target in turn, whatever becomes of the others, and sum up.
#
# Each step's output is shown as it comes. A step that ends with "N passed, N failed[, N skipped]" counts with these
# numbers, any other one as one. MINUTES is a step's share of the time; BUDGET_MINUTES that of all.
# TARGET may carry variables, joined by commas: tsan=tsan,O=-O2:6
set -u
make=${MAKE:-make}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
table=()
begin=$SECONDS

for step in "$@"; do
	name=${step%%:*}
	share=
	case $step in *:*) share=${step##*:} ;; esac
	target=$name
	case ${name%%,*} in *=*) target=${name#*=} name=${name%%=*} ;; esac
	name=${name%%,*}
	printf '\n==== %s\n' "$name"
	start=$SECONDS
	# shellcheck disable=SC2086
	$make --no-print-directory ${target//,/ } 2>&1 | tee "$log/out"
	status=${PIPESTATUS[0]}
	took=$((SECONDS - start))
	line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log/out" | tail -n 1)
	p=0 f=0 s=0
	if [ -n "$line" ]; then
		read -r p _ f _ s _ <<<"$line 0"
	elif [ "$status" = 0 ]; then
		p=1
	fi
	[ "$status" = 0 ] || [ "$f" -gt 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
	table+=("$(printf '%-16s %5d passed %3d failed %3d skipped %6d s%s' "$name" "$p" "$f" "${s:-0}" "$took" \
		"${share:+ of $((share * 60)) s}")")
done

printf '\n'
printf '%s\n' "${table[@]}"
printf '%-16s %41s %6d s%s\n' total '' $((SECONDS - begin)) "${BUDGET_MINUTES:+ of $((BUDGET_MINUTES * 60)) s}"
if [ "$skipped" -gt 0 ]; then
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
	printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
