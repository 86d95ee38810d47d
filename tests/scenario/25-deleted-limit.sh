#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "deleted files that Loki's outage keeps from being read take no more of the disk than deleted_limit; what is lost of them is told"
receiver
mkdir -p "$work/logs"
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets       = [{"__path__" = "$file", "job" = "deleted"}]
	deleted_limit = "20MiB"
	rotated_wait  = "1s"
	flush_partial_after = "1s"
	forward_to    = [loki.write.w.receiver]
}
$(write_block w)
END

faults '{"times": -1, "refuse": 503}'
lines "$file" a 0 90000
cp "$file" "$work/first"
size=$(stat -c %s "$file")
ship_start ship "$work/ship.alloy" --memory.budget=4MiB
watch ship
held() { metric ship longship_source_deleted_bytes; }
unread() { metric ship longship_source_deleted_unread_bytes; }
deleted_descriptors() { find "/proc/${ship_pid[ship]}/fd" -lname '*/a.log*(deleted)' | wc -l; }
no_descriptor() { [ "$(deleted_descriptors)" = "$1" ]; }
is_followed() { [ "$(find "/proc/${ship_pid[ship]}/fd" -lname "*/a.log" | wc -l)" = 1 ]; }
wait_for "$DEADLINE" "something is read" metric_least 1000 ship longship_entries_in_flight

# Below the limit: it is kept.
rm "$file"
lines "$file" b 0 10000
wait_for "$DEADLINE" "the deleted file is counted" metric_least 1000000 ship longship_source_deleted_unread_bytes
prove "its space is counted" between "$size" "$(held)" $((size + 65536))
prove "nothing is abandoned" is "$(metric ship longship_source_abandoned_bytes_total)" 0
wait_for "$DEADLINE" "the next one is followed" is_followed

# The second one goes over it: the first is let go.
lines "$file" b 10000 90000
rm "$file"
lines "$file" c 0 100
wait_for "$DEADLINE" "the first one is let go" metric_least 1000000 ship longship_source_abandoned_bytes_total
wait_for "$DEADLINE" "its descriptor is closed, the other one's is not" no_descriptor 1
prove "it was announced" grep -q 'come near deleted_limit' "$work/ship.log"
prove "it was told" grep -q 'a deleted file was let go before all of it was read' "$work/ship.log"
abandoned=$(metric ship longship_source_abandoned_bytes_total reason=deleted_limit)

no_faults
wait_for "$DEADLINE" "the others arrive" stored_least 100 '{job="deleted"} |= "stream=c"'
arrived '{job="deleted"} |= "stream=b "' b 100000
arrived '{job="deleted"} |= "stream=c "' c 100
read_of_first=$(stored '{job="deleted"} |= "stream=a "')
prove "what was read of the first arrived, the rest is what was counted" \
	is "$((abandoned + $(head -n "$read_of_first" "$work/first" | wc -c)))" "$size"
prove "a line in the stream says so" stored_is 1 "{job=\"deleted\"} |= \"longship: $abandoned bytes of an earlier generation\""
none_held() { [ "$(held)" = 0 ]; }
wait_for "$DEADLINE" "nothing is held any more" none_held
watched ship
ship_stop ship
