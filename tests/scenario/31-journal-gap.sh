#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "what is vacuumed before it is read is counted to the entry and told in the stream: longship down, Loki down, with matches"
need_journald
cleanup() { journald_end; }
receiver
journald_start SystemMaxFileSize=1M

cat >"$work/ship.alloy" <<END
$(journal_block)
$(write_block w)
END

write() {
	lines "$work/$1.txt" "$1" 0 "$2"
	journald_write "$1.service" <"$work/$1.txt"
}
active() { echo "$JOURNAL"/*/system.journal; }
# The sequence number of the first or the last entry of what journalctl is told to show.
number() { journalctl "$@" -o export | sed -n 's/^__CURSOR=.*;i=\([0-9a-f]*\);.*/\1/p'; }
first() { echo $((0x$(number "$@" | head -n 1))); }
last() { echo $((0x$(number "$@" | tail -n 1))); }
archived() { ls "$JOURNAL"/*/system@*.journal >/dev/null 2>&1; }


write one 1000
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "the first entries arrive" stored_least 1000 '{unit="one.service"}'
wait_for "$DEADLINE" "and are settled" metric_is 0 ship longship_entries_in_flight
ship_stop ship
write gone 700
journald_rotate
before=$(last -D "$JOURNAL" _SYSTEMD_UNIT=one.service)
journald_vacuum 1
write two 500
behind=$(first --file "$(active)")
ship_again ship
wait_for "$DEADLINE" "the entries behind the gap arrive" stored_least 500 '{unit="two.service"}'
arrived '{unit="one.service"}' one 1000
arrived '{unit="two.service"}' two 500
lost=$(metric ship longship_journal_gap_total)
prove "the gap of about 700 entries is counted to the entry" between 700 "$lost" "$((behind - 1))"
prove "one line of a stream says it" is "$(oracle count --loki "$LOKI" --tenant "$tenant" \
	--selector '{job="loki.source.journal.j"} |= "journal entries between sequence numbers"')" 1
prove "the log says it, too" grep -q 'journal entries were removed before they were read' "$work/ship.log"
prove "longship_entries_synthetic_total tells the truth" metric_is 1 ship longship_entries_synthetic_total
ship_stop ship
say "Loki is down, and the journal outgrows what may wait"
rm -rf "$work/ship"
journald_rotate
journald_vacuum 1
write three 10
start=$(first --file "$(active)")
ship_start ship "$work/ship.alloy" --memory.budget=2MiB
wait_for "$DEADLINE" "it reads" stored_least 10 '{unit="three.service"}'
faults '{"times": -1, "refuse": 503}'
write four 60000
journald_rotate
journald_vacuum 1
write five 1000
journald_sync
no_faults
wait_for "$DEADLINE" "what is left arrives" stored_least 1000 '{unit="five.service"}'
complete() {
	local read lost
	read=$(metric ship longship_entries_read_total)
	lost=$(($(metric ship longship_journal_gap_total) + $(metric ship longship_journal_corrupt_entries_total)))
	is "$((read + lost))" "$(($(last --file "$(active)") - start + 1))" && echo "$read + $lost"
}
wait_for "$DEADLINE" "and is settled" metric_is 0 ship longship_entries_in_flight
arrived '{unit="five.service"}' five 1000
prove "read and lost entries are all that journald wrote" complete
lost=$(($(metric ship longship_journal_gap_total) + $(metric ship longship_journal_corrupt_entries_total)))
prove "some were lost, as the journal was too small" between 1 "$lost" 60000
ship_stop ship

say "with matches"
rm -rf "$work/ship"
cat >"$work/matches.alloy" <<END
$(journal_block 'matches = "_SYSTEMD_UNIT=six.service + _SYSTEMD_UNIT=eight.service"')
$(write_block w)
END
write six 100
ship_start ship "$work/matches.alloy"
wait_for "$DEADLINE" "what matches arrives" stored_least 100 '{unit="six.service"}'
wait_for "$DEADLINE" "and is settled" metric_is 0 ship longship_entries_in_flight
ship_stop ship
write seven 700
before=$(last -D "$JOURNAL" _SYSTEMD_UNIT=six.service)
journald_rotate
journald_vacuum 1
write eight 100
behind=$(first -D "$JOURNAL")
ship_again ship
wait_for "$DEADLINE" "what matches behind the gap arrives" stored_least 100 '{unit="eight.service"}'
arrived '{unit="eight.service"} |= "run="' eight 100
prove "the gap is counted to the entry: $((behind - before - 1))" metric_is $((behind - before - 1)) ship longship_journal_gap_total
prove "and there is one" between 100 $((behind - before - 1)) 700
ship_stop ship
say "rotations and vacuums behind what was looked at are no gap"
ship_again ship
# The position is at sequence number $1 or behind it: it moves over what was not asked for every few seconds.
looked_at() {
	local at
	at=$("$LONGSHIP" positions list --storage.path "$work/ship" | sed -n 's/.*;i=\([0-9a-f]*\);.*/\1/p')
	[ -n "$at" ] && [ $((0x$at)) -ge "$1" ]
}
for i in 1 2; do
	write "noise$i" 300
	wait_for "$DEADLINE" "what was not asked for is looked at" looked_at "$(last -D "$JOURNAL" "_SYSTEMD_UNIT=noise$i.service")"
	journald_rotate
	journald_vacuum 1
done
write eightmore 1
write six 1
wait_for "$DEADLINE" "it reads on" stored_least 101 '{unit="six.service"}'
prove "nothing is called missing" metric_is 0 ship longship_journal_gap_total
ship_stop ship
