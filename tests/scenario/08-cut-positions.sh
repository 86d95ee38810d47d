#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a positions store cut at any byte: longship starts, says so, and loses nothing"
receiver
file=$work/logs/a.log
cuts=${CUTS:-12}

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "cut"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

total=0
for i in 1 2 3; do
	lines "$file" a "$total" 1000
	total=$((total + 1000))
	ship_start ship "$work/ship.alloy"
	wait_for "$DEADLINE" "lines arrive" metric_is 0 ship longship_source_lag_bytes
	wait_for "$DEADLINE" "lines are stored" stored_least "$total" '{job="cut"}'
	ship_stop ship
done
cp "$work/ship/positions.db" "$work/whole.db"
size=$(stat -c %s "$work/whole.db")
say "the store has $size bytes"

# What comes after a cut may start earlier, but has no gap and reaches the end.
no_gap() {
	probe lines "$LOKI" "$tenant" '{job="cut"}' | python3 -c '
import re, sys
seen = {int(m[1]) for m in re.finditer(r" seq=0*(\d+) ", sys.stdin.read())}
first, last = min(seen), max(seen)
print(f"lines {first} to {last}")
sys.exit(not (first <= int(sys.argv[1]) and last == int(sys.argv[2]) - 1 and len(seen) == last - first + 1))' "$1" "$2"
}

i=0
while [ $i -le "$cuts" ]; do
	cut=$((size * i / cuts))
	[ $i = 0 ] || [ $i = "$cuts" ] || cut=$((cut + RANDOM % 7 - 3))
	head -c $cut "$work/whole.db" >"$work/ship/positions.db"
	curl -fsS -X POST "$LOKI/_reset"
	old=$total
	lines "$file" a "$total" 100
	total=$((total + 100))
	ship_again ship
	wait_for "$DEADLINE" "cut at $cut: the new lines arrive" stored_least 100 '{job="cut"}'
	wait_for "$DEADLINE" "cut at $cut: all is read" metric_is 0 ship longship_source_lag_bytes
	wait_for "$DEADLINE" "cut at $cut: all is settled" metric_is 0 ship longship_entries_in_flight
	prove "cut at $cut of $size bytes" no_gap "$old" "$total"
	ship_stop ship
	i=$((i + 1))
done
