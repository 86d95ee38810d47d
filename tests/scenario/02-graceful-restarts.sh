#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "ten graceful restarts while a file is being written: every line once, none sent twice"
receiver
# VOLUME: all lines wait in the file, and a part of them is sent in each life. Else a part is written during each life.
count=${LINES_TOTAL:-110000}
piece=$((count / 11))
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

[ -z "${VOLUME:-}" ] || piece=$count
lines "$file" a 0 "$piece"
ship_config[ship]=$work/ship.alloy ship_flags[ship]=
resent=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	writer=
	if [ -z "${VOLUME:-}" ]; then
		lines "$file" a $((i * piece)) "$piece" --rate $((2 * piece)) &
		writer=$!
	fi
	life ship "$DEADLINE" "$part" longship_entries_acknowledged_total
	ship_stop ship
	resent=$((resent + life_resent))
	[ -z "$writer" ] || wait "$writer"
done
ship_again ship
watch ship
wait_for "$DEADLINE" "all lines arrive" stored_least "$count" '{job="restart"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
watched ship
arrived '{job="restart"}' a "$count"
prove "a metric query counts each line once" is "$(stored '{job="restart"}')" "$count"
prove "no line was sent again" is "$((resent + $(metric ship longship_entries_resent_total)))" 0
ship_stop ship
