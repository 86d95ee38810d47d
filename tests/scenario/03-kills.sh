#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "ten times kill -9 while a file is being written: every line comes back once from log queries"
receiver
# VOLUME: before each life an eleventh of the lines is appended, and at least half of it is sent before the kill. Else it is written during
# each life.
count=${LINES_TOTAL:-110000}
piece=$((count / 11))
part=${VOLUME:+$((piece / 2))}
part=${part:-1}
file=$work/logs/a.log
line_bytes=150
sent_window=$((4 << 20))

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "kill"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

# An answer that takes its time is what a kill can cut off.
[ "$RECEIVER" = loki ] || faults '{"times": -1, "delay_ms": 30}'
first=$((count - 10 * piece))
lines "$file" a 0 "$first"
ship_config[ship]=$work/ship.alloy ship_flags[ship]=
resent=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	writer=
	if [ -z "${VOLUME:-}" ]; then
		lines "$file" a $((first + (i - 1) * piece)) "$piece" --rate $((2 * piece)) &
		writer=$!
	else
		lines "$file" a $((first + (i - 1) * piece)) "$piece"
	fi
	life ship "$DEADLINE" "$part" longship_entries_acknowledged_total
	ship_kill ship
	resent=$((resent + life_resent))
	[ -z "$writer" ] || wait "$writer"
done
ship_again ship
watch ship
wait_for "$DEADLINE" "all lines arrive" stored_least "$count" '{job="kill"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
watched ship
resent=$((resent + $(metric ship longship_entries_resent_total)))
arrived '{job="kill"}' a "$count"
counted=$(stored '{job="kill"}')
prove "a metric query counts at most what was sent again ($resent lines) twice" between "$count" "$counted" $((count + resent))
prove "what was sent again is at most ten sent windows" between 0 "$resent" $((10 * sent_window / line_bytes))
ship_stop ship
