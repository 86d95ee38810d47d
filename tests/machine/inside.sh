# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts that run inside a machine: what they prove is told to the log that the host reads.
exec 2>&1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# prove TEXT COMMAND...
prove() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then echo "ok: $text"; else
		echo "FAIL: $text"
		printf '%s\n' "$out" | tail -n 12 | sed 's/^/      /'
	fi
}

is() { [ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }; }
not() { ! "$@"; }

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return 1; }
		sleep 0.1
	done
}

main_pid() { systemctl show -P MainPID longship; }
journal_has() { journalctl -u longship -o cat --no-pager -q | grep -qF -- "$1"; }
metric() { curl -fsS http://127.0.0.1:12345/metrics | awk -v n="$1" '$1 == n || index($1, n "{") == 1 { s += $2 } END { print s + 0 }'; }
# All that was read has been settled, and nothing new was for a second.
settled() {
	local before
	before=$(metric longship_entries_read_total) || return 1
	[ "$before" -gt 0 ] && [ "$(metric longship_entries_in_flight)" = 0 ] || return 1
	sleep 1
	[ "$(metric longship_entries_read_total)" = "$before" ] && [ "$(metric longship_entries_in_flight)" = 0 ]
}
