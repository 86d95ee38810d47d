#!/bin/bash
# Measures longship beside the bare loop (bare.c) on the same file, interleaved, with everything on loopback:
#
#     tests/bench/bench.sh [-s MIB] [-r RUNS] [-w "W1 W2 …"] [-l LANES] [-d DIR] [-k] [-c] [BUILD]
#
#   W1  plain lines like an access log, about 150 bytes, one label, no stages
#   W2  JSON lines, about 250 bytes; level becomes a label, the timestamp comes from a field
#   logfmt    the same of logfmt lines, about 250 bytes
#   cri       the lines of W2 as a container runtime writes them: stage.cri
#   regex     the lines of W1: an expression with seven named groups, one becomes a label
#   template  the lines of W2: a template with two functions makes the label
#
# CPU is user + system of the process alone. Both read from the page cache. -k keeps DIR. -c makes the sink unpack and count
# what it gets (which takes CPU from the measured process on a small machine). The binary is $LONGSHIP or BUILD/longship.
# Prints one line for each run, then medians. Exit status 1 when not all lines arrived.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); top=$(cd "$here/../.." && pwd)
size_mib=1024 runs=3 workloads="W1 W2 logfmt cri regex template" lanes=1 dir= keep= decode=
while getopts s:r:w:l:d:kc option; do
	case $option in
	s) size_mib=$OPTARG ;; r) runs=$OPTARG ;; w) workloads=$OPTARG ;; l) lanes=$OPTARG ;; d) dir=$OPTARG ;; k) keep=1 ;; c) decode=--decode ;;
	*) sed -n '2,/^set/p' "$0" | sed '$d; s/^# \?//' >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "${1:-$top/build}" && pwd)
longship=${LONGSHIP:-$build/longship} tools=$build/tests/bench
[ -n "$dir" ] || dir=$(mktemp -d "${TMPDIR:-/tmp}/longship-bench.XXXXXX")
mkdir -p "$dir"
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	[ -n "$keep" ] || rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

file_of() { # workload: whose lines it reads
	case $1 in regex) echo W1 ;; template) echo W2 ;; *) echo "$1" ;; esac
}

generate() { # workload: its file, made once
	local file
	file=$(file_of "$1")
	[ -s "$dir/$file.log" ] && [ "$(stat -c %s "$dir/$file.log")" -ge $((size_mib * 1048576)) ] && return
	python3 "$here/generate.py" "$file" $((size_mib * 1048576)) >"$dir/$file.log"
	wc -l <"$dir/$file.log" >"$dir/$file.lines"
}

stages() { # workload: the body of its loki.process; nothing: there is none
	local label='stage.labels { values = { level = "" } }' time='stage.timestamp {
		source = "ts"
		format = "RFC3339Nano"
	}'
	case $1 in
	W2) echo 'stage.json { expressions = { level = "", ts = "" } }'; echo "$label"; echo "$time" ;;
	logfmt) echo 'stage.logfmt { mapping = { level = "", ts = "" } }'; echo "$label"; echo "$time" ;;
	cri) echo 'stage.cri { }' ;;
	regex) cat <<-'END' ;;
		stage.regex {
			expression = `^(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]+)" (?P<status>\d+) (?P<size>\d+)`
		}
		stage.labels { values = { status = "" } }
		END
	template) echo 'stage.json { expressions = { level = "" } }'
		echo 'stage.template {'
		echo '	source   = "level"'
		echo '	template = "{{ .Value | ToUpper | TrimSpace }}"'
		echo '}'
		echo "$label" ;;
	esac
}

config() { # workload port
	local forward=loki.write.sink.receiver body
	body=$(stages "$1")
	if [ -n "$body" ]; then
		forward=loki.process.p.receiver
		printf 'loki.process "p" {\n\tforward_to = [loki.write.sink.receiver]\n%s\n}\n' "$body"
	fi
	cat <<-END
	loki.source.file "f" {
		targets    = [{__path__ = "$dir/$(file_of "$1").log", job = "bench"}]
		forward_to = [$forward]
	}
	loki.write "sink" {
		endpoint { url = "http://127.0.0.1:$2/loki/api/v1/push" }
	}
	END
}

cpu_of() { # pid: user + system seconds
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$1/stat"
}

metric() { # port name: sum over its series
	curl -sf "http://127.0.0.1:$1/metrics" | awk -v name="$2" '{ split($1, a, "{") } a[1] == name { sum += $NF } END { printf "%d", sum }'
}

wait_file() { for _ in $(seq 200); do [ -s "$1" ] && return; sleep 0.05; done; echo "no $1" >&2; return 1; }

run_longship() { # workload run
	local at=$dir/run sink pid port http bytes lines start end acked cpu peak
	rm -rf "$at"; mkdir "$at"
	"$tools/sink" $decode "$at/port" >"$at/sink.out" & sink=$!; pids+=("$sink")
	wait_file "$at/port"; port=$(cat "$at/port")
	config "$1" "$port" >"$at/config.alloy"
	http=$((20000 + RANDOM % 20000))
	bytes=$(stat -c %s "$dir/$(file_of "$1").log"); lines=$(cat "$dir/$(file_of "$1").lines")
	start=$(date +%s.%N)
	"$longship" run --lanes="$lanes" --storage.path="$at/data" --server.http.listen-addr="127.0.0.1:$http" "$at/config.alloy" 2>"$at/log" & pid=$!
	pids+=("$pid")
	while acked=$(metric "$http" longship_entries_acknowledged_total 2>/dev/null || echo 0); [ "${acked:-0}" -lt "$lines" ]; do
		kill -0 "$pid" 2>/dev/null || { cat "$at/log" >&2; return 1; }
		sleep 0.1
	done
	end=$(date +%s.%N) cpu=$(cpu_of "$pid") peak=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
	kill -TERM "$pid"; wait "$pid" || { echo "longship ended with $?" >&2; return 1; }
	kill -TERM "$sink"; wait "$sink" || true
	if [ -n "$decode" ] && ! grep -q " entries=$lines .* errors=0\$" "$at/sink.out"; then
		echo "$lines lines, but the sink got: $(cat "$at/sink.out")" >&2
		return 1
	fi
	awk -v w="$1" -v r="$2" -v b="$bytes" -v l="$acked" -v c="$cpu" -v s="$start" -v e="$end" -v p="$peak" 'BEGIN {
		printf "%s longship run=%d lines=%d seconds=%.2f MB/s=%.0f cpu_seconds=%.2f cpu_s/GiB=%.3f lines/s/core=%.0f peak_rss_KiB=%d\n",
			w, r, l, e - s, b / 1e6 / (e - s), c, c / (b / 1073741824), l / c, p }'
}

run_bare() { # workload run
	"$tools/bare" "$dir/$(file_of "$1").log" | tr ' ' '\n' | awk -F= -v w="$1" -v r="$2" '{ v[$1] = $2 } END {
		printf "%s bare run=%d lines=%d seconds=%.2f MB/s=%.0f cpu_seconds=%.2f cpu_s/GiB=%.3f lines/s/core=%.0f\n", w, r, v["lines"],
			v["seconds"], v["bytes"] / 1e6 / v["seconds"], v["cpu_seconds"], v["cpu_seconds_per_gib"], v["lines"] / v["cpu_seconds"] }'
}

[ -x "$tools/bare" ] && [ -x "$tools/sink" ] || make -s -C "$top" BUILD="$build" "$tools/bare" "$tools/sink"
for w in $workloads; do
	generate "$w"
	for run in $(seq "$runs"); do
		run_bare "$w" "$run"
		run_longship "$w" "$run"
	done
done | tee "$dir/results"
for w in $workloads; do
	for what in bare longship; do
		sed -n "s/^$w $what .*cpu_s\/GiB=\([0-9.]*\).*/\1/p" "$dir/results" | sort -n | awk -v w="$w" -v x="$what" '{ a[NR] = $1 } END {
			printf "%s %s median cpu_s/GiB=%.3f\n", w, x, a[int((NR + 1) / 2)] }'
	done
done | tee "$dir/medians"
awk '{ sub(/.*=/, "", $4); m[$1 " " $2] = $4 } END { for (k in m) if (split(k, a, " ") && a[2] == "longship")
	printf "%s longship costs %.2f times the bare loop\n", a[1], m[k] / m[a[1] " bare"] }' "$dir/medians"
