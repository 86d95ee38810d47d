#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: thread address
. "$(dirname "$0")/../support/lib.sh"
scenario "memory: idle on one file, and under load (private and resident KiB, release build)"
receiver
mib=${MEMORY_MIB:-64}
cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "memory"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

lines "$work/logs/a.log" a 0 10
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "lines arrive" metric_is 10 ship longship_entries_acknowledged_total
read -r private resident < <(probe memory "${ship_pid[ship]}")
prove "idle: private memory under 4 MiB" between 0 "$private" 4096
prove "idle: resident memory under 14 MiB" between 0 "$resident" $((14 << 10))

count=$((mib * 1048576 / 150))
lines "$work/logs/a.log" a 10 "$count"
private_max=0 resident_max=0
settled() {
	read -r private resident < <(probe memory "${ship_pid[ship]}")
	[ "$private" -le $private_max ] || private_max=$private
	[ "$resident" -le $resident_max ] || resident_max=$resident
	metric_is $((count + 10)) ship longship_entries_acknowledged_total
}
wait_for 240 "$mib MiB arrive" settled
prove "$mib MiB: private memory under budget + 8 MiB" between 0 "$private_max" $(((16 + 8) << 10))
prove "$mib MiB: resident memory under 32 MiB" between 0 "$resident_max" $((32 << 10))
ship_stop ship

fake_stop
lines "$work/logs/a.log" a $((count + 10)) "$count"
ship_again ship
private_max=0 resident_max=0
full() {
	settled
	[ "$(metric ship longship_source_lag_bytes)" -gt $((mib << 19)) ] && metric_least 1 ship loki_write_batch_retries_total
}
wait_for 120 "Loki is gone, the budget fills" full
for _ in 1 2 3 4 5 6 7 8 9 10; do settled >/dev/null; done
prove "Loki gone: private memory under budget + 8 MiB" between 0 "$private_max" $(((16 + 8) << 10))
prove "Loki gone: resident memory under 32 MiB" between 0 "$resident_max" $((32 << 10))
ship_stop ship
