#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "contents of files: encodings, byte order marks, compressed files, NULs, holes, long lines; across a kill"
receiver
content() { python3 "$here/content.py" "$@"; }
here=$(dirname "$0")

{
	content config "$work/logs"
	cat <<-END
	loki.source.file "matched" {
		targets = [{"__path__" = "$work/match/**/*.log", "__path_exclude__" = "$work/match/**/not-*", "job" = "matched"}]
		file_match {
			enabled           = true
			sync_period       = "200ms"
			ignore_older_than = "1h"
		}
		forward_to = [loki.write.w.receiver]
	}
	END
	write_block w
} >"$work/ship.alloy"
mkdir -p "$work/match/sub"
echo new >"$work/match/sub/new.log"
echo excluded >"$work/match/not-me.log"
echo old >"$work/match/old.log"
echo "of a file whose name is not UTF-8" >"$work/match/"$'na\xffme.log'
touch -d "2 hours ago" "$work/match/old.log"
content write "$work/logs" 1
# Stored, but not answered: the same lines must be made of the files' beginnings once more.
[ "$RECEIVER" = loki ] || faults '{"times": -1, "store": true, "hang": true}'
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "first parts arrive" stored_least 100 '{job="content"}'
ship_kill ship
[ "$RECEIVER" = loki ] || no_faults
content write "$work/logs" 2
ship_again ship
watch ship
wait_for "$DEADLINE" "all lines arrive" stored_least "$(content total)" '{job="content"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
prove "each file's lines are there once, in order" content check "$LOKI" "$tenant"
prove "what cannot be decompressed is said" grep -q "cannot decompress the rest.*gz-damaged" "$work/ship.log"
prove "bytes that are replaced are counted" metric_least 1 ship longship_source_lines_invalid_total component_id=loki.source.file.replace
prove "holes and NULs are counted" metric_least 3221000000 ship longship_source_nul_bytes_total component_id=loki.source.file.utf8
prove "lines that are cut off are counted" metric_least 1 ship longship_source_lines_truncated_total
prove "of the files that match, the old and the excluded are not read" stored_is 2 '{job="matched"}'
echo later >>"$work/match/old.log"
echo late >"$work/match/late.log"
wait_for "$DEADLINE" "a file that is written again, and a new one, are read" stored_is 5 '{job="matched"}'
sed -i 's/encoding = "ISO-8859-1"/encoding = "GBK"/' "$work/ship.alloy"
prove "another encoding is taken over by a reload" is "$(reload ship)" 200
printf '\312\300\r\n' >>"$work/logs/latin1-latin1"
wait_for "$DEADLINE" "a line in it is read as such" stored_is 1 '{file="latin1-latin1"} |= "世"'
prove "the file is not read again" stored_is 5 '{file="latin1-latin1"}'
watched ship
ship_stop ship
