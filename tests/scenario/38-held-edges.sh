#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "held blocks that are dropped, fan out, close by time, or end apart from others of their span"
receiver
mkdir -p "$work/logs/many"

cat >"$work/ship.alloy" <<END
loki.source.file "dropped" {
	targets    = [{"__path__" = "$work/logs/dropped.log", "job" = "dropped"}]
	forward_to = [loki.process.dropped.receiver]
}

loki.process "dropped" {
	forward_to = [loki.write.w.receiver]

	stage.multiline { firstline = "^START" }

	stage.drop { expression = "START" }
}

local.file_match "many" {
	path_targets = [{"__path__" = "$work/logs/many/*.log", "job" = "many"}]
}

loki.source.file "many" {
	targets    = local.file_match.many.targets
	forward_to = [loki.process.many.receiver]
}

loki.process "many" {
	forward_to = [loki.write.w.receiver, loki.echo.e.receiver]

	stage.multiline {
		firstline     = "^START"
		max_wait_time = "1s"
	}
}

loki.echo "e" { }

loki.source.file "parts" {
	targets    = [{"__path__" = "$work/logs/parts.log", "job" = "parts"}]
	forward_to = [loki.process.parts.receiver]
}

loki.process "parts" {
	forward_to = [loki.write.w.receiver]

	stage.cri { }
}

loki.source.file "late" {
	targets    = [{"__path__" = "$work/logs/late.log", "job" = "late"}]
	forward_to = [loki.process.late.receiver]
}

loki.process "late" {
	forward_to = [loki.write.w.receiver]

	stage.multiline {
		firstline     = "^START"
		max_wait_time = "300ms"
	}
}
$(write_block w)
END

texts() { # SELECTOR: the lines that are stored, in order
	curl -fsSG "$LOKI/loki/api/v1/query_range" -H "X-Scope-OrgID: $tenant" --data-urlencode "query=$1" \
		--data-urlencode "limit=1000" --data-urlencode "direction=forward" --data-urlencode "start=$(($(date +%s) - 7200))" |
		python3 -c 'import json, sys
values = [v for s in json.load(sys.stdin)["data"]["result"] for v in s["values"]]
print(" | ".join(v[1].replace("\n", "+") for v in sorted(values)))'
}
now() { date -u +%Y-%m-%dT%H:%M:%S.%NZ; }

# 2,400 blocks in one span: more than a batch.
python3 -c 'for i in range(2400): print(f"START {i}\n a\n b")' >"$work/logs/dropped.log"
# Each file ends in an open block.
for i in $(seq 40); do
	python3 -c 'import sys
print("START", sys.argv[1])
for i in range(5000): print(f"START {i} " + "x" * 120)' "$i" >"$work/logs/many/$i.log"
done
printf '%s stdout P out-a-\n%s stderr P err-a-\n' "$(now)" "$(now)" >"$work/logs/parts.log"
: >"$work/logs/late.log"

ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "all blocks are dropped" metric_is 7200 ship longship_entries_dropped_total component_id=loki.source.file.dropped
wait_for "$DEADLINE" "all files are read and sent" metric_is $((40 * 5001)) ship longship_entries_acknowledged_total component_id=loki.source.file.many

# Of two records that are open in one span the first ends; then longship is stopped, and goes on.
printf '%s stdout F out-b\n' "$(now)" >>"$work/logs/parts.log"
wait_for "$DEADLINE" "the first record is stored" stored_least 1 '{job="parts"}'
wait_for "$DEADLINE" "and settled" metric_is 1 ship longship_entries_in_flight component_id=loki.source.file.parts
ship_stop ship
printf '%s stdout F next\n%s stderr F err-b\n' "$(now)" "$(now)" >>"$work/logs/parts.log"
ship_again ship
wait_for "$DEADLINE" "the others are stored" stored_least 3 '{job="parts"}'
prove "no record has a part of another" is "$(texts '{job="parts", stream="stdout"}')" "out-a-out-b | next"
prove "the record that was open is whole" is "$(texts '{job="parts", stream="stderr"}')" "err-a-err-b"

# A block goes out because its time is over, and longship dies before it knows that it is stored.
if [ "$RECEIVER" = fake ]; then
	faults '{"times": -1, "store": true, "refuse": 500}'
	echo "START 1" >>"$work/logs/late.log"
	wait_for "$DEADLINE" "the block is stored, and longship does not know" stored_least 1 '{job="late"}'
	echo " late" >>"$work/logs/late.log"
	wait_for "$DEADLINE" "the next line is read" metric_is 2 ship longship_entries_read_total component_id=loki.source.file.late
	ship_kill ship
	no_faults
	ship_again ship
	wait_for "$DEADLINE" "both are stored" stored_least 2 '{job="late"}'
	prove "the block is what it was" is "$(texts '{job="late"}')" "START 1 |  late"
fi
ship_stop ship
