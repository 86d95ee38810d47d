#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "a real journald: a hundred rotations with the journals of users; users that come while Loki is down; each entry arrives once"
need_journald
cleanup() { journald_end; }
receiver
journald_start SystemMaxFiles=1000

cat >"$work/ship.alloy" <<END
$(journal_block)
$(write_block w)
END

# Writes the lines slowly enough that each rotation meets some: 20 at a time.
slowly() {
	local file=$1
	shift
	python3 -c '
import sys, time
for i, line in enumerate(open(sys.argv[1])):
    sys.stdout.write(line)
    if i % 20 == 19:
        sys.stdout.flush()
        time.sleep(float(sys.argv[2]))
' "$file" "${PACE:-0.01}" | journald_write "$@"
}

count=${LINES_TOTAL:-8000}
lines "$work/system.txt" system 0 "$count"
for user in 61001 61002; do lines "$work/u$user.txt" "u$user" 0 "$count"; done
ship_start ship "$work/ship.alloy"
watch ship
PACE=0.02
slowly "$work/system.txt" system.service &
writers=$!
# The first entry of a user makes his journal, which the reader has to find.
slowly "$work/u61001.txt" u61001.service 6 61001 &
writers="$writers $!"
slowly "$work/u61002.txt" u61002.service 4 61002 &
writers="$writers $!"
users() { [ "$(find "$JOURNAL" -name 'user-6100*.journal' | wc -l)" -ge 2 ]; }
wait_for "$DEADLINE" "the users have journals" users
for i in $(seq 100); do
	journald_rotate
	sleep 0.05
done
# shellcheck disable=SC2086
wait $writers
for stream in system u61001 u61002; do
	wait_for "$DEADLINE" "all entries of $stream arrive" stored_least "$count" "{unit=\"$stream.service\"}"
	arrived "{unit=\"$stream.service\"}" $stream "$count"
done
prove "there are journals of users" between 10 "$(find "$JOURNAL" -name 'user-6100*.journal' | wc -l)" 1000
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "no entry was missed" metric_is 0 ship longship_journal_gap_total
prove "none was damaged" metric_is 0 ship longship_journal_corrupt_entries_total
prove "the reader lived through all of it" metric_is 0 ship longship_journal_reader_restarts_total
ship_stop ship

say "a user whose journal is made while the reader is far behind"
# More than what may wait in longship: the reader stands still meanwhile. Fewer than fill a journal file (about 10,000): two files of one
# user with an id each may share an instant, and libsystemd has no order for that.
count=9000 PACE=0.002
for name in system user61003 user61004; do lines "$work/$name.txt" "late$name" 0 "$count"; done
for matches in "" 'matches = "PRIORITY=6 + _SYSTEMD_UNIT=user61003.service"'; do
	rm -rf "$work/ship"
	cat >"$work/late.alloy" <<-END
		$(journal_block "$matches")
		$(write_block w)
	END
	user=user6100$([ -z "$matches" ] && echo 3 || echo 4)
	ship_start ship "$work/late.alloy" --memory.budget=2MiB
	wait_for "$DEADLINE" "it reads" metric_least 1 ship longship_entries_read_total
	wait_for "$DEADLINE" "and has read all" metric_is 0 ship longship_entries_in_flight
	faults '{"times": -1, "refuse": 503}'
	slowly "$work/system.txt" "system$user.service" &
	writers=$!
	slowly "$work/$user.txt" "$user.service" 6 "${user#user}"
	wait $writers
	no_faults
	wait_for "$DEADLINE" "all entries of the user arrive" stored_least "$count" "{unit=\"$user.service\"}"
	arrived "{unit=\"$user.service\"}" "late$user" "$count"
	wait_for "$DEADLINE" "of the others, too" stored_least "$count" "{unit=\"system$user.service\"}"
	arrived "{unit=\"system$user.service\"}" latesystem "$count"
	wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
	prove "no entry is called missing" metric_is 0 ship longship_journal_gap_total
	ship_stop ship
done
