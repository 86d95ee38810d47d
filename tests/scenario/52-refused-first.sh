#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "the tenant of a file's first lines is refused from the start: those whose lines come later in the file do not wait for it"
receiver
file=$work/logs/a.log
one=${tenant}one bad=${tenant}bad
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

faults "{\"tenant\": \"$bad\", \"times\": -1, \"refuse\": 401, \"body\": \"no such tenant\"}"
lines "$file" "$bad" 0 4000
lines "$file" "$one" 0 100
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "the other tenant gets its lines" stored_is 100 '{job="parked"}' "$one"
prove "the refused one is parked" metric_is 1 ship longship_destination_parked tenant="$bad"
no_faults
wait_for "$DEADLINE" "the refused one gets its lines" stored_is 4000 '{job="parked"}' "$bad"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
watched ship
arrived '{job="parked"}' "$one" 100 "$one"
arrived '{job="parked"}' "$bad" 4000 "$bad"
prove "each line was counted once" metric_is 4100 ship longship_entries_acknowledged_total

# A position that is set by hand is that of all destinations.
positions() { "$LONGSHIP" positions "$@" --storage.path="$work/ship"; }
listed() { positions list | grep -q "a destination lags behind"; }
faults "{\"tenant\": \"$bad\", \"times\": -1, \"refuse\": 401, \"body\": \"no such tenant\"}"
lines "$file" "$bad" 4000 3000
lines "$file" "$one" 100 100
wait_for "$DEADLINE" "the other tenant gets its lines" stored_is 200 '{job="parked"}' "$one"
wait_for "$DEADLINE" "the list tells that a destination lags" listed
prove "the position is set" positions set "$file" "$(stat -c %s "$file")"
no_faults
lines "$file" "$bad" 7000 50
wait_for "$DEADLINE" "the refused one gets what comes then" stored_is 4050 '{job="parked"}' "$bad"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
prove "what it had yet to get is given up, and counted" metric_is 3000 ship longship_entries_dropped_total reason=given_up
prove "no destination lags any more" is "$(positions list | grep -c "a destination lags behind")" 0
ship_stop ship
