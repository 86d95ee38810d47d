#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "Loki refuses, fails, hangs, resets, answers nonsense and is gone: nothing lost, and the ledger adds up all the time"
receiver
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "faults"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w 'batch_size = "64KiB"')
END

total=0
# under FAULTS TEXT: 3,000 more lines must arrive although these faults come first.
under() {
	faults "$1"
	lines "$file" a "$total" 3000
	total=$((total + 3000))
	wait_for "$DEADLINE" "$2: all lines arrive" stored_least "$total" '{job="faults"}'
	wait_for "$DEADLINE" "$2: all lines are acknowledged" metric_is "$total" ship longship_entries_acknowledged_total
	prove "$2: the faults were met" is "$(faults_left)" 0
	no_faults
}

ship_start ship "$work/ship.alloy"
watch ship
under '[]' "no fault"
under '{"times": 3, "refuse": 429, "retry_after": 1, "body": "ingestion rate limit exceeded"}' "429 with Retry-After"
under '{"times": 4, "refuse": 500, "body": "oh no"}' "500"
under '{"times": 4, "refuse": 503, "body": ""}' "503"
under '{"times": 2, "reset": true}' "reset"
under '{"times": 2, "reset": "reading"}' "reset while the body is sent"
under '{"times": 2, "garbage": true}' "an answer that is not HTTP"
under '{"times": 2, "garbage": "short"}' "an answer that is cut off"
under '{"times": 1, "hang": true}' "no answer at all"
under '[{"times": 1, "store": true, "refuse": 500}, {"times": 1, "store": true, "reset": true}]' "stored, but the answer lost"

fake_stop
lines "$file" a "$total" 3000
wait_for "$DEADLINE" "lines wait while nobody listens" metric_least 1 ship longship_entries_in_flight
fake_start
# What was stored before is gone with the old fake: only the new lines can be there.
wait_for "$DEADLINE" "connection refused: the waiting lines arrive" stored_least 3000 '{job="faults"}'
total=$((total + 3000))
wait_for "$DEADLINE" "connection refused: all lines are acknowledged" metric_is "$total" ship longship_entries_acknowledged_total
pass "connection refused: 3000 lines waited and arrived"

faults '{"times": 1, "partial_400": {"first": 7, "reason": "too_far_behind"}}'
lines "$file" a "$total" 500
total=$((total + 500))
wait_for "$DEADLINE" "partial 400: everything is settled" metric_is "$total" ship longship_entries_read_total
wait_for "$DEADLINE" "partial 400: nothing is in flight" metric_is 0 ship longship_entries_in_flight
prove "partial 400: the seven refused lines are counted" metric_is 7 ship longship_entries_rejected_total
prove "partial 400: the others are acknowledged" metric_is $((total - 7)) ship longship_entries_acknowledged_total
prove "partial 400: it is told" grep -aq 'level=warn' "$work/ship.log"
prove "longship still runs" alive ship
watched ship
ship_stop ship
