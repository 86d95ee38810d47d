#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs.sh [--test]: write docs/components/*.md from what the program says of its components; with --test only compare.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
LONGSHIP=${LONGSHIP:-$top/build/longship}
out=$top/docs/components
[ "${1:-}" != --test ] || out=$(mktemp -d)
mkdir -p "$out"
names=$("$LONGSHIP" help | awk '/^components/ { on = 1; next } on && NF { print $1 }')
rm -f "$out"/*.md
{
	printf '# Components\n\nPrinted by `longship help NAME`; `make docs` writes these pages.\n\n'
	for name in $names; do
		printf -- '- [%s](%s.md)\n' "$name" "$name"
		{ printf '# %s\n\n```\n' "$name"; "$LONGSHIP" help "$name"; printf '```\n'; } >"$out/$name.md"
	done
} >"$out/README.md"
if [ "${1:-}" = --test ]; then
	status=0
	diff -r "$top/docs/components" "$out" || { status=1; echo "docs/components is not what the program says: make docs"; }
	rm -rf "$out"
	exit $status
fi
