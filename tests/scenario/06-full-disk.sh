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
# Many files, so that each round writes more to the store than a page that is already there can take.
files=40
round() {
	python3 - "$support" "$work/logs" "$run" "$files" "$total" "$1" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from oracle import make_lines
folder, run = sys.argv[2:4]
files, first, count = map(int, sys.argv[4:])
for i in range(1, files + 1):
    with open(f"{folder}/{i}.log", "ab") as file:
        file.write(b"".join(make_lines(run, f"s{i}", first, count, 150)))
END
	total=$((total + $1))
}
arrive() {
	wait_for "$DEADLINE" "$1" stored_least $((total * files)) '{job="full"}'
	wait_for "$DEADLINE" "$1: all is settled" metric_is 0 ship longship_source_lag_bytes
}

targets=$(for i in $(seq $files); do echo "{\"__path__\" = \"$work/logs/$i.log\", \"job\" = \"full\"},"; done)
cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [$targets]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

total=0
round 50
ship_start ship "$work/ship.alloy"
arrive "lines arrive before"
dd if=/dev/zero of="$work/ship/filler" bs=1k 2>/dev/null
for i in 1 2 3 4; do
	round 50
	arrive "lines arrive on a full disk ($i)"
done
prove "longship still runs" alive ship
pass "$((200 * files)) lines arrived while the disk was full"
wait_for 10 "the log names the full disk" grep -aqiE 'level=(warn|error).*(no space|ENOSPC)' "$work/ship.log"
pass "the log names the full disk: $(grep -aiE 'no space|ENOSPC' "$work/ship.log" | head -n 1)"
rm "$work/ship/filler"
round 50
arrive "lines arrive when there is room again"
ship_stop ship
ship_again ship
round 1
arrive "lines arrive after a restart"
prove "after the restart nothing was read again" metric_is "$files" ship longship_entries_read_total
for i in 1 $files; do arrived "{job=\"full\", filename=\"$work/logs/$i.log\"}" "s$i" "$total"; done
ship_stop ship
