#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "Loki with its default limits is away for six hours, by the lines' own times: all is stored, oldest first, across a kill -9 on the way"
streams="a b c" per_stream=${SIX_HOURS_LINES:-45000}
if [ "$RECEIVER" = loki ]; then
	# One of its own: it has its default limits, and ends.
	loki_port=$(free_port)
	loki_up() { LOKI=$(LOKI_LIMITS=default LOKI_AUTH=true "$tests/loki/loki.sh" start "$work/loki" "$loki_port"); }
	loki_down() { "$tests/loki/loki.sh" stop "$work/loki"; }
	cleanup() { loki_down; }
	loki_up || exit 1
else
	# A third of the default rates, since six hours of lines are few here.
	receiver --reject-old 604800 --rate 1400000 --burst 2100000 --stream-rate 1000000 --stream-burst 5000000
	loki_up() { kill -CONT "$fake_pid"; }
	loki_down() { kill -STOP "$fake_pid"; }
fi
# dated FROM COUNT BEGIN END: lines FROM… of each stream, with times from BEGIN to END seconds ago before them.
dated() {
	local s
	for s in $streams; do
		oracle generate --run "$run" --stream "$s" --from "$1" --count "$2" - 2>/dev/null | python3 -c '
import sys, time
count, begin, end = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
now = time.time()
for i, line in enumerate(sys.stdin):
	at = now - begin + (begin - end) * i / count
	text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
	sys.stdout.write(f"{text}.{int(at % 1 * 10**6):06d}{i % 1000:03d}Z {line}")' "$2" "$3" "$4" >>"$work/logs/$s.log"
	done
}
cat >"$work/ship.alloy" <<END
local.file_match "m" { path_targets = [{"__path__" = "$work/logs/*.log", "job" = "six"}] }
loki.source.file "f" {
	targets    = local.file_match.m.targets
	forward_to = [loki.process.p.receiver]
}
loki.process "p" {
	forward_to = [loki.write.w.receiver]
	stage.regex { expression = "^(?P<ts>\\\\S+) (?P<rest>.*)\$" }
	stage.timestamp {
		source = "ts"
		format = "RFC3339Nano"
	}
	stage.output { source = "rest" }
}
$(write_block w)
END
dated 0 100 22200 21600
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "what is older than six hours is stored" metric_is 300 ship longship_entries_acknowledged_total
loki_down
dated 100 "$per_stream" 21599 1
wait_for "$DEADLINE" "it has tried in vain" metric_least 2 ship loki_write_batch_retries_total
read -r _ resident < <(probe memory "${ship_pid[ship]}")
if [ -z "${LONGSHIP_SAN:-}" ]; then prove "resident memory under the budget + 16 MiB (KiB)" between 0 "$resident" $((32 << 10)); fi
loki_up || exit 1
dated $((per_stream + 100)) 50 0.9 0
total=$((per_stream + 150))
wait_for 120 "a third is stored" metric_least $((per_stream)) ship longship_entries_acknowledged_total
watched ship
prove "nothing was rejected" metric_is 0 ship longship_entries_rejected_total
prove "nothing was dropped" metric_is 0 ship longship_entries_dropped_total
ship_kill ship
ship_again ship
watch ship
settled() { metric_is 0 ship longship_entries_in_flight && metric_is 0 ship longship_source_lag_bytes; }
wait_for 180 "the rest is stored" settled
prove "nothing was rejected" metric_is 0 ship longship_entries_rejected_total
prove "nothing was dropped" metric_is 0 ship longship_entries_dropped_total
watched ship
if [ "$RECEIVER" = loki ]; then
	# It looks for what is older than three hours in the store alone.
	curl -fsS -X POST "$LOKI/flush"
	wait_for 60 "it has written its chunks" oracle check --loki "$LOKI" --tenant "$tenant" --selector '{job="six"}' --run "$run" --stream a --count "$total"
fi
for s in $streams; do arrived '{job="six"}' "$s" "$total"; done
# The order in which they came, copies of what the kill left open apart.
in_order() { curl -fsS "$LOKI/_dump?tenant=$tenant" | python3 -c 'import json, sys
for stream in json.load(sys.stdin)["tenants"].popitem()[1]:
	times = [int(e[0]) for e in stream["entries"]]
	if times != sorted(times): sys.exit("out of order: %s" % stream["stream"])'; }
if [ "$RECEIVER" = fake ]; then
	prove "each stream came oldest first" in_order
	prove "the rate limit was met" between 1 "$(stats statuses 429)" 1000000
fi
ship_stop ship
