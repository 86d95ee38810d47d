#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures loki.source.journal: entries of a journal that systemd-journal-remote makes, 22 fields each, three rules, to a sink that
# costs next to nothing, with longship, its reader and all on one core:
#
#     tests/bench/journal.sh [-n ENTRIES] [-r RUNS] [-i IDLE_SECONDS] [-g] [BUILD]
#
# Prints CPU seconds (user + system) of longship and of its reader, entries/s of one core, what an idle journal costs, and with -g what
# part of the reader's instructions is libsystemd's (callgrind, over a tenth of the entries). Needs systemd-journal-remote.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); top=$(cd "$here/../.." && pwd)
entries=300000 runs=3 idle=10 grind=
while getopts n:r:i:g option; do
	case $option in
	n) entries=$OPTARG ;; r) runs=$OPTARG ;; i) idle=$OPTARG ;; g) grind=1 ;;
	*) sed -n '3,/^set/p' "$0" | sed '$d; s/^# \?//' >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "${1:-$top/build}" && pwd)
longship=${LONGSHIP:-$build/longship} tools=$build/tests/bench
remote=/lib/systemd/systemd-journal-remote
[ -x $remote ] || { echo "install systemd-journal-remote" >&2; exit 1; }
[ -x "$tools/sink" ] || make -s -C "$top" BUILD="$build" "$tools/sink"
dir=$(mktemp -d "${TMPDIR:-/tmp}/longship-bench.XXXXXX")
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# make_journal DIR ENTRIES: as journald writes an entry of a service.
make_journal() {
	mkdir -p "$1"
	python3 - "$2" <<'END' | $remote -o "$1/bench.journal" - 2>/dev/null
import sys
same = "".join("%s=%s\n" % field for field in (
    ("_TRANSPORT", "stdout"), ("PRIORITY", 6), ("SYSLOG_FACILITY", 3), ("SYSLOG_IDENTIFIER", "app"), ("_PID", 4711), ("_UID", 998),
    ("_GID", 998), ("_COMM", "app"), ("_EXE", "/usr/bin/app"), ("_CMDLINE", "/usr/bin/app --serve"), ("_CAP_EFFECTIVE", 0),
    ("_SELINUX_CONTEXT", "unconfined"), ("_SYSTEMD_CGROUP", "/system.slice/app.service"), ("_SYSTEMD_UNIT", "app.service"),
    ("_SYSTEMD_SLICE", "system.slice"), ("_SYSTEMD_INVOCATION_ID", "0123456789abcdef0123456789abcdef"),
    ("_MACHINE_ID", "0123456789abcdef0123456789abcdef"), ("_HOSTNAME", "bench"), ("_RUNTIME_SCOPE", "system"),
    ("_STREAM_ID", "fedcba9876543210fedcba9876543210"), ("CODE_FILE", "serve.c")))
for i in range(int(sys.argv[1])):
    print("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n%sMESSAGE=GET /items/%d from 10.1.%d.%d took %d us\n"
          % (1795000000000000 + i, 1 + i, 0xb007, same, i * 7919 % 100000, i % 251, i % 13, i % 9973))
END
}

cpu_of() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"; }
switches_of() { awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$1/status"; }
metric() { curl -sf "http://127.0.0.1:$1/metrics" | awk -v name="$2" '{ split($1, a, "{") } a[1] == name { sum += $NF } END { printf "%d", sum }'; }
wait_file() { for _ in $(seq 200); do [ -s "$1" ] && return; sleep 0.05; done; echo "no $1" >&2; return 1; }

run() { # number
	local at=$dir/run sink pid reader http=$((20000 + RANDOM % 20000)) acked a b s t
	rm -rf "$at"; mkdir "$at"
	"$tools/sink" "$at/port" >"$at/sink.out" & sink=$!; pids+=("$sink")
	wait_file "$at/port"
	cat >"$at/config.alloy" <<-END
	loki.source.journal "j" {
		path          = "$dir/journal"
		max_age       = "1000000h"
		relabel_rules = discovery.relabel.j.rules
		forward_to    = [loki.write.sink.receiver]
	}
	discovery.relabel "j" {
		targets = []
		rule {
			source_labels = ["__journal__systemd_unit"]
			target_label  = "unit"
		}
		rule {
			source_labels = ["__journal__hostname"]
			target_label  = "host"
		}
		rule {
			source_labels = ["__journal_priority_keyword"]
			target_label  = "level"
		}
	}
	loki.write "sink" {
		endpoint { url = "http://127.0.0.1:$(cat "$at/port")/loki/api/v1/push" }
	}
	END
	taskset -c 0 "$longship" run --lanes=1 --storage.path="$at/data" --server.http.listen-addr="127.0.0.1:$http" "$at/config.alloy" \
		2>"$at/log" & pid=$!
	pids+=("$pid")
	while acked=$(metric "$http" longship_entries_acknowledged_total 2>/dev/null || echo 0); [ "${acked:-0}" -lt "$entries" ]; do
		kill -0 "$pid" 2>/dev/null || { cat "$at/log" >&2; return 1; }
		sleep 0.1
	done
	reader=$(pgrep -P "$pid" | head -n 1)
	awk -v r="$1" -v n="$entries" -v a="$(cpu_of "$pid")" -v b="$(cpu_of "$reader")" 'BEGIN {
		printf "run=%d entries=%d longship_cpu_seconds=%s reader_cpu_seconds=%s entries/s/core=%.0f\n", r, n, a, b, n / (a + b) }'
	if [ "$1" = "$runs" ] && [ "$idle" -gt 0 ]; then
		a=$(cpu_of "$pid") b=$(cpu_of "$reader") s=$(switches_of "$pid") t=$(switches_of "$reader")
		sleep "$idle"
		awk -v i="$idle" -v a="$(cpu_of "$pid")" -v b="$(cpu_of "$reader")" -v a0="$a" -v b0="$b" -v s="$(($(switches_of "$pid") - s))" \
			-v t="$(($(switches_of "$reader") - t))" 'BEGIN {
			printf "idle seconds=%d cpu_seconds=%.2f context_switches_longship=%d context_switches_reader=%d\n", i, a + b - a0 - b0, s, t }'
	fi
	kill -TERM "$pid"; wait "$pid" || true
	kill -TERM "$sink"; wait "$sink" || true
}

# The reader alone: what longship would ask of it, and no more to come.
grind() {
	make_journal "$dir/small" $((entries / 10))
	python3 - "$dir/small" "$dir/request" <<'END'
import struct, sys
def frame(kind, body):
    return struct.pack("=II", kind, len(body)) + body
with open(sys.argv[2], "wb") as f:
    f.write(frame(1, sys.argv[1].encode()) + frame(11, struct.pack("=q", 0)))
    for field in (b"_SYSTEMD_UNIT", b"_HOSTNAME", b"PRIORITY"):
        f.write(frame(6, field))
END
	valgrind -q --tool=callgrind --callgrind-out-file="$dir/callgrind" "$longship" journal-reader 3<"$dir/request" </dev/null >"$dir/answer" 2>/dev/null
	[ -s "$dir/answer" ] || { echo "the reader said nothing" >&2; return 1; }
	# Lines of costs belong to the object that was named last; a line after "calls=" counts what was called.
	awk -v n=$((entries / 10)) '
		function name(s) { if (match(s, /^\([0-9]+\)/)) { id = substr(s, RSTART, RLENGTH); rest = substr(s, RLENGTH + 2); if (rest != "") names[id] = rest; return names[id] } return s }
		/^ob=/ { ob = name(substr($0, 4)); next }
		/^cob=/ { name(substr($0, 5)); next }
		/^calls=/ { skip = 1; next }
		/^[0-9+*-]/ { if (skip) skip = 0; else { cost[ob] += $2; all += $2 } }
		END { for (o in cost) if (cost[o] > all / 200) { k = o; sub(/.*\//, "", k); printf "%s instructions/entry=%.0f share=%.1f%%\n", k, cost[o] / n, 100 * cost[o] / all } }' \
		"$dir/callgrind" | sort -t= -k3 -rn
}

make_journal "$dir/journal" "$entries"
cat "$dir"/journal/* >/dev/null
for r in $(seq "$runs"); do run "$r"; done
[ -z "$grind" ] || grind
