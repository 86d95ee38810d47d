#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "damaged, cut, unknown and unreadable journal files, a reader that is killed: told and counted, and the rest arrives"
need_remote
receiver
JOURNAL=$work/journal
mkdir -p "$JOURNAL" "$work/made"
now=$(date +%s%6N)

cat >"$work/ship.alloy" <<END
$(journal_block)
$(write_block w)
END

# made FILE STREAM COUNT: a journal file of lines.
made() {
	lines "$work/$2.txt" "$2" 0 "$3"
	export_lines "$2.service" "$now" <"$work/$2.txt" | journal_made "$1"
	now=$((now + 1000000))
}
log_has() { grep -q "$1" "$work/ship.log"; }
reader() { pgrep -P "${ship_pid[ship]}"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

made "$JOURNAL/good.journal" good 2000
made "$work/made/flipped.journal" flipped 5000
python3 - "$work/made/flipped.journal" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    # Objects in the middle, and one late entry array, but not the header.
    for at, n in ((len(data) * 2 // 5, 3000), (len(data) * 3 // 5, 60)):
        f.seek(at)
        f.write(b"\xff" * n)
END
mv "$work/made/flipped.journal" "$JOURNAL/flipped.journal"
made "$work/made/cut.journal" cut 3000
truncate -s $(($(stat -c %s "$work/made/cut.journal") / 2)) "$work/made/cut.journal"
mv "$work/made/cut.journal" "$JOURNAL/cut.journal"
head -c 5000 /dev/urandom >"$JOURNAL/noise.journal"
: >"$JOURNAL/empty.journal"

ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "the good file arrives" stored_least 2000 '{unit="good.service"}'
arrived '{unit="good.service"}' good 2000
wait_for "$DEADLINE" "something of the damaged file arrives" stored_least 100 '{unit="flipped.service"}'
wait_for "$DEADLINE" "damage is counted" metric_least 2 ship longship_journal_corrupt_entries_total
prove "the log names a damaged file" log_has 'a journal file is damaged and left out.*path='
made "$JOURNAL/late.journal" late 300
wait_for 10 "a file that is added is read" stored_least 300 '{unit="late.service"}'
arrived '{unit="late.service"}' late 300

say "nothing spins"
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
before=$(ticks "$(reader)")
sleep 2
prove "the reader used at most 2 % of a CPU for 2 s" between 0 $(($(ticks "$(reader)") - before)) 4

say "a reader that dies"
old=$(reader)
kill -BUS "$old"
wait_for 5 "another reader takes its place" metric_is 1 ship longship_journal_reader_restarts_total
made "$JOURNAL/later.journal" later 300
wait_for 10 "reading goes on" stored_least 300 '{unit="later.service"}'
arrived '{unit="later.service"}' later 300
prove "and repeats nothing" metric_is 0 ship longship_entries_resent_total
ship_stop ship

say "damage within one journal is counted to the entry"
rm -rf "$JOURNAL" "$work/ship"
mkdir "$JOURNAL"
made "$work/made/part.journal" part 5000
python3 - "$work/made/part.journal" <<'END'
import re, struct, sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    # Entries are objects of type 3: the types of 40 of them become none that there is.
    at, n = struct.unpack_from("<Q", data, 88)[0], 0
    while at + 16 <= len(data) and n < 1040:
        kind, size = data[at], struct.unpack_from("<Q", data, at + 8)[0]
        if size == 0:
            break
        if kind == 3:
            n += 1
            if n > 1000:
                f.seek(at)
                f.write(b"\x77")
        at += (size + 7) // 8 * 8
    assert n == 1040, n
END
mv "$work/made/part.journal" "$JOURNAL/part.journal"
ship_again ship
wait_for "$DEADLINE" "what is whole arrives" metric_is 4960 ship longship_entries_read_total
wait_for "$DEADLINE" "the damaged entries are counted" metric_is 40 ship longship_journal_corrupt_entries_total
wait_for "$DEADLINE" "and one line of the stream says it" stored_least 4961 '{unit="part.service"}'
ship_stop ship

say "a format that this libsystemd does not know"
rm -rf "$JOURNAL" "$work/ship"
mkdir -p "$JOURNAL" "$work/made"
made "$JOURNAL/known.journal" known 100
made "$work/made/unknown.journal" unknown 100
printf '\x80' | dd of="$work/made/unknown.journal" bs=1 seek=14 conv=notrunc status=none
mv "$work/made/unknown.journal" "$JOURNAL/unknown.journal"
ship_again ship
wait_for 10 "the log names file and flag" log_has 'unknown.journal.*bit-23'
wait_for 10 "the known file arrives" stored_least 100 '{unit="known.service"}'
ship_stop ship

say "files that may not be read"
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || skip "only root can give up being root"
rm -rf "$JOURNAL" "$work/ship"
mkdir -p "$JOURNAL" "$work/made"
made "$JOURNAL/closed.journal" closed 200
chmod 600 "$JOURNAL/closed.journal"
chmod 755 "$work" "$JOURNAL"
install -d -o 65534 "$work/ship"
real=$LONGSHIP
printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups %s "$@"\n' "$real" >"$work/as-nobody"
chmod 755 "$work/as-nobody"
LONGSHIP=$work/as-nobody
setpriv --reuid=65534 --regid=65534 --clear-groups "$real" --version >/dev/null 2>&1 || skip "nobody may not run $real"
ship_again ship
wait_for 10 "the log says how to mend it" log_has 'usermod -aG systemd-journal nobody'
chmod 644 "$JOURNAL/closed.journal"
wait_for 15 "once it may, it reads" stored_least 200 '{unit="closed.service"}'
arrived '{unit="closed.service"}' closed 200
ship_stop ship
