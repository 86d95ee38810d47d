#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: thread address
. "$(dirname "$0")/../support/lib.sh"
tenants=${TENANTS:-500}
scenario "$tenants tenants under one memory budget, one of them hot, one refused all the time: the others' lines are stored within 5 s (p99), and in the end all have theirs once"
receiver
seconds=${PHASE_SECONDS:-8}
bad=t003 alone=t$(printf %03d $((tenants - 3))) # one in the file that half of the tenants share, one in a file of its own
many() { python3 "$(dirname "$0")/many_tenants.py" "$@"; }
cat >"$work/ship.alloy" <<END
local.file_match "logs" { path_targets = [{"__path__" = "$work/logs/*.log", "job" = "tenants"}] }
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
		batch_wait         = "500ms"
		min_backoff_period = "100ms"
		max_backoff_period = "2s"
	}
}
END
private_max=0 resident_max=0
write() {
	local private resident
	read -r private resident < <(many write "$work/logs" "$tenants" "$1" "${ship_pid[ship]}")
	[ "$private" -le $private_max ] || private_max=$private
	[ "$resident" -le $resident_max ] || resident_max=$resident
}
refuse() {
	local t
	no_faults
	for t in $bad $alone; do faults "{\"tenant\": \"$t\", \"times\": -1, \"refuse\": $1, \"body\": \"$2\"}"; done
}

ship_start ship "$work/ship.alloy"
watch ship
write 5
wait_for "$DEADLINE" "all tenants get their first lines" metric_is "$(many total "$work/logs")" ship longship_entries_acknowledged_total
for how in "429 ingestion rate limit exceeded" "503 oh no" "401 no such tenant"; do
	refuse "${how%% *}" "${how#* }"
	write "$seconds"
	prove "${how%% *}: the refused tenants are parked" metric_is 2 ship longship_destination_parked
done
settled() { metric_is "$(metric ship longship_entries_parked)" ship longship_entries_in_flight; }
wait_for "$DEADLINE" "but for the refused tenants' lines all is settled" settled
read -r delay_ms worst_ms < <(many delay "$work/logs" "$LOKI" "$bad" "$alone")
prove "the others' lines are stored within 5 s (ms, p99; the worst: $worst_ms)" between 0 "$delay_ms" 5000
no_faults
wait_for "$DEADLINE" "the refused tenants are taken again: all is acknowledged" metric_is "$(many total "$work/logs")" ship longship_entries_acknowledged_total
write 1
prove "nothing is in flight" wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
prove "each tenant has each of its lines once and in order" many check "$work/logs" "$LOKI"
prove "private memory under the budget + 8 MiB (KiB)" between 0 "$private_max" $(((16 + 8) << 10))
prove "resident memory under the budget + 16 MiB (KiB)" between 0 "$resident_max" $(((16 + 16) << 10))
watched ship
ship_stop ship
