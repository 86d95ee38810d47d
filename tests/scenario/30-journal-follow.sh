#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "a real journald: rotations and vacuum under load, restarts and kill -9 go on at the cursor, and each entry arrives once"
need_journald
cleanup() { journald_end; }
receiver
count=${LINES_TOTAL:-20000}
journald_start SystemMaxFileSize=2M

cat >"$work/ship.alloy" <<END
$(journal_block)
$(write_block w)
END

lines "$work/a.txt" a 0 $((count / 2))
lines "$work/b.txt" a $((count / 2)) $((count - count / 2)) --rate $((count / 10))&
journald_write app.service <"$work/a.txt"
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "what the journal held arrives" stored_least $((count / 2)) '{unit="app.service"}'
# The vacuum keeps enough that only what is read goes.
tail -n +1 -F "$work/b.txt" 2>/dev/null | head -n $((count - count / 2)) | journald_write app.service &
writer=$!
for i in 1 2 3 4 5 6; do
	journald_rotate
	sleep 0.3
	case $i in
	1 | 5) ship_stop ship; ship_again ship ;;
	3) watch_end ship; ship_kill ship; ship_again ship ;;
	esac
	wait_for "$DEADLINE" "turn $i: it has caught up" metric_is 0 ship longship_entries_in_flight
	journald_vacuum 12
done
wait $writer
journald_rotate
wait_for "$DEADLINE" "all entries arrive" stored_least "$count" '{unit="app.service"}'
arrived '{unit="app.service"}' a "$count"
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "no entry was missed" metric_is 0 ship longship_journal_gap_total
prove "none was damaged" metric_is 0 ship longship_journal_corrupt_entries_total
prove "the reader lived through all of it" metric_is 0 ship longship_journal_reader_restarts_total
ship_stop ship
