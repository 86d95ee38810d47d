#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a full disk under the positions store: shipping goes on, it is told, and what was stored is remembered once there is room"
[ "$(id -u)" = 0 ] || skip "a small tmpfs can be mounted by root only"
mkdir -p "$work/ship"
mount -t tmpfs -o size=64k longship-test "$work/ship" 2>/dev/null || skip "mounting a tmpfs is not permitted here"
cleanup() { umount "$work/ship"; }
receiver
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "full"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

lines "$file" a 0 1000
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "lines arrive before" stored_least 1000 '{job="full"}'
dd if=/dev/zero of="$work/ship/filler" bs=1k 2>/dev/null
total=1000
for i in 1 2 3 4 5 6 7 8; do
	lines "$file" a "$total" 1000
	total=$((total + 1000))
	wait_for "$DEADLINE" "lines arrive on a full disk ($i)" stored_least "$total" '{job="full"}'
done
prove "longship still runs" alive ship
pass "8000 lines arrived while the disk was full"
wait_for "$DEADLINE" "the log names the full disk" grep -aqiE 'level=(warn|error).*(no space|ENOSPC)' "$work/ship.log"
pass "the log names the full disk"
rm "$work/ship/filler"
lines "$file" a "$total" 1000
total=$((total + 1000))
wait_for "$DEADLINE" "lines arrive when there is room again" stored_least "$total" '{job="full"}'
wait_for "$DEADLINE" "all lines are acknowledged" metric_is "$total" ship longship_entries_acknowledged_total
ship_stop ship
ship_again ship
lines "$file" a "$total" 10
wait_for "$DEADLINE" "lines arrive after a restart" stored_least $((total + 10)) '{job="full"}'
wait_for "$DEADLINE" "these only were read" metric_is 10 ship longship_entries_read_total
arrived '{job="full"}' a $((total + 10))
ship_stop ship
