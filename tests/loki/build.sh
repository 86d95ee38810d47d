#!/bin/sh
# Builds the Loki that go.mod pins, once, into a cache outside the tree.
#
#   build.sh [OUT]     prints the path of the binary (OUT: also copy it there)
#
# LOKI_BIN            take this binary and build nothing
# LONGSHIP_CACHE      cache directory (default: $XDG_CACHE_HOME/longship)
#
# stdout carries the path alone, everything else goes to stderr.  Two calls at
# once are safe: the second waits for the first and takes its result.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
module=github.com/grafana/loki/v3
out=${1:-}

say() { printf '%s\n' "tests/loki: $*" >&2; }
die() {
	say "$1"
	shift
	for line in "$@"; do say "  $line"; done
	exit 1
}

deliver() {
	if [ -n "$out" ]; then
		mkdir -p "$(dirname "$out")"
		cp "$1" "$out.tmp.$$" && mv -f "$out.tmp.$$" "$out"
		set -- "$out"
	fi
	case $1 in
	/*) printf '%s\n' "$1" ;;
	*) printf '%s\n' "$PWD/$1" ;;
	esac
	exit 0
}

if [ -n "${LOKI_BIN:-}" ]; then
	[ -x "$LOKI_BIN" ] && [ ! -d "$LOKI_BIN" ] ||
		die "LOKI_BIN=$LOKI_BIN is not an executable file"
	deliver "$LOKI_BIN"
fi

version=$(awk -v m="$module" '$1 == "require" && $2 == m { print $3 }
	$1 == m { print $2 }' "$here/go.mod" | head -n 1)
[ -n "$version" ] || die "no requirement on $module in $here/go.mod"

home=${LONGSHIP_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or LONGSHIP_CACHE}/.cache}/longship}
cache=$home/loki-$version
# The stamp tells a binary built from other module files from a current one.
stamp=$(cat "$here/go.mod" "$here/go.sum" | sha256sum | cut -c1-64)

current() {
	[ -x "$cache/loki" ] && [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]
}

if current; then deliver "$cache/loki"; fi

command -v flock >/dev/null 2>&1 ||
	die "flock is missing" "install it (Debian: util-linux)"
mkdir -p "$cache" || die "cannot create $cache" "point LONGSHIP_CACHE elsewhere"
exec 9>"$cache/lock"
flock -n 9 || { say "another build is under way, waiting for it"; flock 9; }
if current; then deliver "$cache/loki"; fi

command -v go >/dev/null 2>&1 || die "Loki $version is not built yet and there is no go client" \
	"install Go $(awk '$1 == "go" { print $2 }' "$here/go.mod") or newer, or" \
	"set LOKI_BIN to a Loki binary you have"

rm -rf "$cache"/build.[0-9]* # of a call that was killed
work=$cache/build.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work"
cp "$here/go.mod" "$here/go.sum" "$here/tools.go" "$work/"
log=$cache/build.log

say "building Loki $version into $cache (some minutes, once)"
say "log: $log"
began=$(date +%s)
if ! (
	cd "$work"
	# The lock must not live on in a child that outlasts this script.
	exec 9>&-
	GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0 nice go build \
		-trimpath -buildvcs=false \
		-ldflags "-s -w -X $module/pkg/util/build.Version=${version#v}" \
		-o "$work/loki" $module/cmd/loki
) >"$log" 2>&1; then
	tail -n 15 "$log" >&2
	if grep -Eq 'dial tcp|no such host|403 Forbidden|404 Not Found|5[0-9][0-9] |timeout|proxyconnect|module lookup disabled' "$log"; then
		die "the build of Loki $version failed: a module could not be had" \
			"GOPROXY is $(go env GOPROXY): it must be reachable and serve the modules in go.mod," \
			"or set LOKI_BIN to a Loki binary you have"
	fi
	die "the build of Loki $version failed (client: $(go version 2>&1))" \
		"see $log, or set LOKI_BIN to a Loki binary you have"
fi
mv -f "$work/loki" "$cache/loki"
printf '%s\n' "$stamp" >"$cache/stamp"
say "built in $(($(date +%s) - began)) s"
rm -rf "$work"
deliver "$cache/loki"
