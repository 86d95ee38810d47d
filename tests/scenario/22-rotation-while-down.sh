#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "longship is killed while a file is written and rotated: the rest of every generation is read, each line once, in order"
receiver
mkdir -p "$work/logs"
count=100000
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "rotation"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

# Before the first line: of what was rotated away before it ran for the first time longship knows nothing.
ship_start ship "$work/ship.alloy"
python3 "$(dirname "$0")/rotating_writer.py" "$file" "$run" a $count "$work/generations" >"$work/writer.log" 2>&1 &
writer=$!

generations() { cat "$work/generations" 2>/dev/null || echo 0; }
rotated_since() { [ "$(generations)" -ge $(($1 + 4)) ] || gone "$writer"; }

kills=0
while ! gone "$writer" && [ $kills -lt 6 ]; do
	least=$(($(stored '{job="rotation"}' || echo 0) + 2000))
	wait_for "$DEADLINE" "more lines arrive" stored_least "$((least < count ? least : count))" '{job="rotation"}'
	ship_kill ship
	kills=$((kills + 1))
	was=$(generations)
	wait_for "$DEADLINE" "the file is rotated four times more" rotated_since "$was"
	ship_again ship
done
wait "$writer"
wait_for "$DEADLINE" "all lines arrive" stored_least "$count" '{job="rotation"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
prove "longship was killed" between 3 "$kills" 6
prove "the file was rotated" between 20 "$(generations)" 1000
arrived '{job="rotation"}' a "$count"
prove "nothing was read again" is "$(metric ship longship_source_rewound_total)" 0

ship_stop ship
lines "$file" b 0 1000
mv "$file" "$file.1"
lines "$file" b 1000 1000
ship_again ship
wait_for "$DEADLINE" "all lines arrive" stored_least $((count + 2000)) '{job="rotation"}'
arrived '{job="rotation"}' b 2000
prove "after a graceful stop no line was sent again" is "$(metric ship longship_entries_resent_total)" 0
ship_stop ship
