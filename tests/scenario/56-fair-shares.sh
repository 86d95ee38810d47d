#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: thread address
. "$(dirname "$0")/../support/lib.sh"
scenario "little memory, greedy tenants that are slow, then refused, one of them in a file with others: those who write little are not delayed"
receiver
seconds=${PHASE_SECONDS:-6}
greedy=20 mib=8
shares() { python3 "$(dirname "$0")/shares.py" "$@"; }
cat >"$work/ship.alloy" <<END
local.file_match "logs" { path_targets = [{"__path__" = "$work/logs/*.log", "job" = "shares"}] }
loki.source.file "f" {
	targets    = local.file_match.logs.targets
	forward_to = [loki.process.p.receiver]
}
loki.process "p" {
	forward_to = [loki.write.w.receiver]
	stage.regex  { expression = "who=(?P<who>\\\\w+) " }
	stage.tenant { source = "who" }
}
loki.write "w" {
	endpoint {
		url                = "$LOKI/loki/api/v1/push"
		batch_wait         = "250ms"
		min_backoff_period = "100ms"
		max_backoff_period = "1s"
	}
}
END
# The greedy tenants' requests meet this.
each_greedy() {
	local i
	no_faults
	for i in $(seq 0 $((greedy - 1))); do faults "{\"tenant\": \"greedy$(printf %02d "$i")\", \"times\": -1, $1}"; done
}
# phase NAME: what little was written meanwhile is stored soon.
phase() {
	local kind p99 worst n private
	all_stored() { read -r p99 worst n < <(shares delay "$LOKI" "$kind") && [ "$n" = "$(cat "$work"/logs/*.log | grep -c "who=$kind")" ]; }
	read -r private _ < <(probe memory "${ship_pid[ship]}")
	prove "$1: private memory under the budget + 12 MiB (KiB)" between 0 "$private" $(((mib + 12) << 10))
	for kind in light mixed; do
		wait_for 20 "$1: the lines of tenants $kind are stored" all_stored
		prove "$1: the delay of $n lines of tenants $kind (ms, p99; the worst: $worst)" between 0 "$p99" 5000
	done
}
shares light "$work/logs" 1
ship_start ship "$work/ship.alloy" --memory.budget=${mib}MiB --lanes=2
watch ship
wait_for "$DEADLINE" "the first lines arrive" metric_is "$(cat "$work"/logs/*.log | wc -l)" ship longship_entries_acknowledged_total
# Slower than comes for them, but not silent: not parked.
each_greedy '"delay_ms": 1500'
shares greedy "$work/logs" 1 $((greedy - 1)) 20000
wait_for "$DEADLINE" "the greedy tenants fill half of the memory" metric_least $((mib << 19)) ship longship_memory_used_bytes
shares light "$work/logs" "$seconds"
phase slow
prove "slow tenants are not parked" metric_is 0 ship longship_destination_parked
each_greedy '"refuse": 429'
shares greedy "$work/logs" 0 0 20000
shares light "$work/logs" "$seconds"
phase refused
wait_for "$DEADLINE" "all greedy tenants are parked" metric_is $greedy ship longship_destination_parked
no_faults
wait_for 120 "all is stored in the end" metric_is "$(cat "$work"/logs/*.log | wc -l)" ship longship_entries_acknowledged_total
prove "each tenant has each of its lines once and in order" shares check "$work/logs" "$LOKI"
watched ship
ship_stop ship
