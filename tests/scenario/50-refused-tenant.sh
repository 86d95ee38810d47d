#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "one of three tenants of one file is refused: the others go on, and it gets all of its lines once, in order, when it is taken again"
receiver
[ "$RECEIVER" = fake ] || [ -n "${LOKI_RUNTIME:-}" ] || skip "LOKI_RUNTIME must name the runtime configuration of LOKI_SHARED"
file=$work/logs/a.log
one=${tenant}one two=${tenant}two bad=${tenant}bad
cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "parked"}]
	forward_to = [loki.process.p.receiver]
}
loki.process "p" {
	forward_to = [loki.write.w.receiver]
	stage.regex  { expression = "stream=(?P<who>\\\\w+) " }
	stage.tenant { source = "who" }
}
$(write_block w 'batch_size = "16KiB"')
END

declare -A written=([$one]=0 [$two]=0 [$bad]=0)
# append COUNT: so many lines for each tenant, in turns.
append() {
	local t
	for t in "$one" "$bad" "$two"; do
		lines "$file" "$t" "${written[$t]}" "$1"
		written[$t]=$((written[$t] + $1))
	done
}
all_have() {
	local t
	for t in "$@"; do stored_is "${written[$t]}" '{job="parked"}' "$t" || return 1; done
}
stays_ahead() {
	local i begin took slowest=0
	for i in $(seq 12); do
		append 300
		begin=$(date +%s%3N)
		wait_for 5 "the others have their lines within 5 s" all_have "$one" "$two"
		took=$(($(date +%s%3N) - begin))
		[ $took -le $slowest ] || slowest=$took
	done
	prove "the others waited no longer than 5 s (ms)" between 0 "$slowest" 5000
}

on_the_page() { curl -fsS "${ship_url[ship]}/" | grep -q "$1"; }

append 100
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "all tenants get their first lines" all_have "$one" "$two" "$bad"
refuse_tenant "$bad"
stays_ahead
prove "the refused tenant is parked, and says so" metric_is 1 ship longship_destination_parked tenant="$bad"
prove "the status page names it" on_the_page "<td>parked</td>.*<td>$bad</td>"
prove "its lines are in flight" metric_is $((12 * 300)) ship longship_entries_in_flight
prove "as parked" between $((11 * 300)) "$(metric ship longship_entries_parked)" $((12 * 300))
wait_for 20 "the file's own lag is shown, for it is behind for ten seconds" metric_least 10 ship longship_stream_lag_seconds path="$file"
prove "and in bytes" metric_least 1 ship longship_stream_lag_bytes path="$file"
prove "everything else is acknowledged" metric_is $((2 * written[$one] + 100)) ship longship_entries_acknowledged_total
take_tenants "$bad"
wait_for "$DEADLINE" "the tenant that was refused gets the rest" all_have "$one" "$two" "$bad"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
append 200
wait_for "$DEADLINE" "and what comes then" all_have "$one" "$two" "$bad"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
prove "no file is behind any more" metric_is 0 ship longship_stream_lag_bytes
prove "nothing is parked any more" metric_is 0 ship longship_destination_parked tenant="$bad"
prove "each line was counted once" metric_is $((3 * written[$one])) ship longship_entries_acknowledged_total
prove "nothing was dropped" is "$(metric ship longship_entries_dropped_total)" 0
prove "all that was encoded was sent" [ "$(metric ship loki_write_encoded_bytes_total tenant="$one")" = "$(metric ship loki_write_sent_bytes_total tenant="$one")" ]
for t in "$one" "$two" "$bad"; do arrived '{job="parked"}' "$t" "${written[$t]}" "$t"; done
prove "its standard input is open: no descriptor was closed that is another's" test -e "/proc/${ship_pid[ship]}/fd/0"

# A second time, and a restart meanwhile: graceful, then not.
refuse_tenant "$bad"
append 2000
wait_for "$DEADLINE" "the others have their lines" all_have "$one" "$two"
wait_for "$DEADLINE" "the refused tenant is parked again" metric_is 1 ship longship_destination_parked tenant="$bad"
watched ship
ship_stop ship
append 2000
ship_again ship
wait_for "$DEADLINE" "after a restart the others go on" all_have "$one" "$two"
ship_kill ship
append 2000
ship_again ship
watch ship
wait_for "$DEADLINE" "after a kill the others go on" all_have "$one" "$two"
take_tenants "$bad"
wait_for "$DEADLINE" "the tenant that was refused gets the rest" all_have "$bad"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
watched ship
for t in "$one" "$two" "$bad"; do arrived '{job="parked"}' "$t" "${written[$t]}" "$t"; done
ship_stop ship
ship_again ship
append 10
wait_for "$DEADLINE" "a last restart: what is new arrives" all_have "$one" "$two" "$bad"
for t in "$one" "$two" "$bad"; do arrived '{job="parked"}' "$t" "${written[$t]}" "$t"; done
ship_stop ship
