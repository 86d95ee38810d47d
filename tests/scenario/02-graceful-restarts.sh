#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "ten graceful restarts while a file is being written: every line once, none sent twice"
receiver
# VOLUME: all lines wait in the file, and a part of them is sent in each life.
count=${LINES_TOTAL:-100000}
part=${VOLUME:+$((count / 20))}
part=${part:-1}
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "restart"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

if [ -n "${VOLUME:-}" ]; then
	lines "$file" a 0 "$count"
	writer=
else
	lines "$file" a 0 1
	lines "$file" a 1 $((count - 1)) --rate $((count / 15)) &
	writer=$!
fi
ship_config[ship]=$work/ship.alloy ship_flags[ship]=
resent=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
	life ship "$DEADLINE" "$part" longship_entries_acknowledged_total
	ship_stop ship
	resent=$((resent + life_resent))
done
ship_again ship
[ -z "$writer" ] || wait "$writer"
watch ship
wait_for "$DEADLINE" "all lines arrive" stored_least "$count" '{job="restart"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
watched ship
arrived '{job="restart"}' a "$count"
prove "a metric query counts each line once" is "$(stored '{job="restart"}')" "$count"
prove "no line was sent again" is "$((resent + $(metric ship longship_entries_resent_total)))" 0
ship_stop ship
