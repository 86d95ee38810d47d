#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "the ledger: drops, fan-out, a refusing destination, no receiver, echo: it adds up at every scrape"
receiver
count=20000
cat >"$work/ship.alloy" <<END
loki.source.file "both" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "both"}]
	forward_to = [loki.process.p.receiver]
}
loki.process "p" {
	forward_to = [loki.write.w.receiver, loki.write.v.receiver]
	stage.drop {
		expression          = "seq=\\\\d*[13579] "
		drop_counter_reason = "odd"
	}
}
loki.source.file "nobody" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "nobody"}]
	forward_to = []
}
loki.source.file "echo" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "echo"}]
	forward_to = [loki.echo.e.receiver]
}
loki.echo "e" { }
$(write_block w)
$(tenant=${tenant}v write_block v)
END
# The second destination refuses ten lines of one request.
faults "{\"tenant\": \"${tenant}v\", \"times\": 1, \"partial_400\": {\"first\": 10, \"reason\": \"too_far_behind\"}}"
lines "$work/logs/a.log" a 0 "$count"
ship_start ship "$work/ship.alloy"
watch ship
both=component_id=loki.source.file.both
nobody=component_id=loki.source.file.nobody
echo_=component_id=loki.source.file.echo
for c in "$both" "$nobody" "$echo_"; do
	wait_for "$DEADLINE" "$c reads all" metric_is "$count" ship longship_entries_read_total "$c"
	wait_for "$DEADLINE" "$c settles all" metric_is 0 ship longship_entries_in_flight "$c"
done
prove "odd lines are dropped under the stage's reason" metric_is $((count / 2)) ship longship_entries_dropped_total "$both" reason=odd
prove "a line that one of two destinations refuses is rejected" metric_is 10 ship longship_entries_rejected_total "$both"
prove "the others are acknowledged" metric_is $((count / 2 - 10)) ship longship_entries_acknowledged_total "$both"
prove "without a receiver lines are dropped as no_receiver" metric_is "$count" ship longship_entries_dropped_total "$nobody" reason=no_receiver
prove "loki.echo acknowledges" metric_is "$count" ship longship_entries_acknowledged_total "$echo_"
prove "the first destination has all even lines" is "$(stored '{job="both"}')" $((count / 2))
prove "the second all but ten" is "$(stored '{job="both"}' "${tenant}v")" $((count / 2 - 10))
prove "loki_process_dropped_lines_total tells the truth" metric_is $((count / 2)) ship loki_process_dropped_lines_total reason=odd
watched ship
ship_stop ship
