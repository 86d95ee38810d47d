#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "reload under load: a changed pipeline, unchanged components untouched, a bad configuration changes nothing"
receiver
count=60000

config() {
	cat <<-END
		loki.source.file "a" {
			targets    = [{"__path__" = "$work/logs/a.log", "job" = "a"}]
			forward_to = [loki.process.p.receiver]
		}
		loki.process "p" {
			forward_to = [loki.write.w.receiver]
			stage.static_labels { values = {version = "$1"} }
		}
		loki.source.file "b" {
			targets    = [{"__path__" = "$work/logs/b.log", "job" = "b"}]
			forward_to = [loki.write.w2.receiver]
		}
		$(write_block w)
		$(write_block w2)
	END
}
# The descriptors that longship holds on a file, with where they stand.
held() { ls -l "/proc/${ship_pid[ship]}/fd" | sed -n "s|.* \([0-9]*\) -> $1\$|\1|p" | sort -n; }

config 1 >"$work/ship.alloy"
lines "$work/logs/a.log" a 0 1
lines "$work/logs/b.log" b 0 1
(lines "$work/logs/a.log" a 1 $((count - 1)) --rate 10000) &
(lines "$work/logs/b.log" b 1 $((count - 1)) --rate 10000) &
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "lines of version 1 arrive" stored_least 1000 '{job="a", version="1"}'
before=$(held "$work/logs/b.log")

config 2 >"$work/ship.alloy"
prove "the reload is taken" is "$(reload ship)" 200
wait_for "$DEADLINE" "lines of version 2 arrive" stored_least 1000 '{job="a", version="2"}'
prove "the unchanged component keeps its open file" is "$(held "$work/logs/b.log")" "$before"

{ config 3; echo 'loki.sauce.file "x" { }'; } >"$work/ship.alloy"
code=$(reload ship)
prove "a bad configuration is refused" between 400 "$code" 599
prove "the reply names what is wrong" grep -q 'loki.sauce.file' "$work/reload.txt"
prove "so does the log" grep -aq 'loki.sauce.file' "$work/ship.log"
kill -HUP "${ship_pid[ship]}"
wait_for 20 "SIGHUP with a bad configuration is told" test "$(grep -ac 'loki.sauce.file' "$work/ship.log")" -ge 1
{ config 3; echo 'loki.process "q" {'; } >"$work/ship.alloy"
prove "a broken file is refused" between 400 "$(reload ship)" 599

wait_for "$DEADLINE" "all lines of a arrive" stored_least "$count" '{job="a"}'
wait_for "$DEADLINE" "all lines of b arrive" stored_least "$count" '{job="b"}'
prove "no line has version 3" is "$(stored '{job="a", version="3"}')" 0

config 4 >"$work/ship.alloy"
kill -HUP "${ship_pid[ship]}"
lines "$work/logs/a.log" a "$count" 100
wait_for "$DEADLINE" "after the mended file and SIGHUP new lines have version 4" stored_least 1 '{job="a", version="4"}'
wait_for "$DEADLINE" "and all are there" stored_least $((count + 100)) '{job="a"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
arrived '{job="a"}' a $((count + 100))
arrived '{job="b"}' b "$count"
prove "the unchanged component still has its open file and its counters" metric_is "$count" ship \
	loki_source_file_read_lines_total path="$work/logs/b.log"
watched ship
ship_stop ship
