#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "alloy.service from a real journald by docs/examples/alloy-journal.alloy: level, unit and host as labels, other units cost nothing"
need_journald
cleanup() { journald_end; }
receiver
journald_start
# The example, but for where its journal and its Loki are.
sed -e "s|loki.source.journal \"units\" {|&\n\tpath = \"$JOURNAL\"|" -e "s|\t\turl = .*|&\n\t\ttenant_id = \"$tenant\"\n\t\tbatch_wait = \"100ms\"|" \
	"$tests/../docs/examples/alloy-journal.alloy" >"$work/ship.alloy"
export LOKI_URL=$LOKI/loki/api/v1/push

alloy_lines() {
	local i
	for i in $(seq "$1"); do
		echo "ts=2026-11-21T10:00:00Z level=warn msg=\"failed to scrape\" component_id=prometheus.scrape.n$((i % 3)) n=$i"
		echo "ts=2026-11-21T10:00:00Z level=error msg=\"remote write\" component_path=/ component_id=prometheus.remote_write.m n=$i"
	done
}
count() { oracle count --loki "$LOKI" --tenant "$tenant" --selector "$1"; }
host=$(cat /proc/sys/kernel/hostname)

lines "$work/noise.txt" noise 0 3000
journald_write noise.service <"$work/noise.txt"
alloy_lines 100 | journald_write alloy.service
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "what the journal held arrives" stored_least 200 '{unit="alloy.service"}'
echo "server started" | journald_write nginx.service 4
echo "nothing to do" | journald_write noise.service
alloy_lines 50 | journald_write alloy.service
wait_for "$DEADLINE" "what is written now arrives" stored_least 300 '{unit="alloy.service"}'
wait_for "$DEADLINE" "of the other unit, too" stored_least 1 '{unit="nginx.service"}'

prove "the line's level is the label: warn" is "$(count "{job=\"journal\", unit=\"alloy.service\", host=\"$host\", level=\"warn\"}")" 150
prove "the line's level is the label: error" is "$(count "{job=\"journal\", unit=\"alloy.service\", host=\"$host\", level=\"error\"}")" 150
prove "a line without one has the journal's priority" is "$(count '{unit="nginx.service", level="warning"}')" 1
prove "nothing else came" is "$(count '{job=~".+"}')" 301
prove "what is not wanted was not even read" metric_is 301 ship longship_entries_read_total
prove "loki_source_journal_target_lines_total tells the truth" metric_is 301 ship loki_source_journal_target_lines_total

say "the cursor moves over what is not wanted"
ship_stop ship
lines "$work/more.txt" noise 3000 500
journald_write noise.service <"$work/more.txt"
ship_again ship
newest=$((0x$(journalctl -D "$JOURNAL" -n 1 -o export | sed -n 's/^__CURSOR=.*;i=\([0-9a-f]*\);.*/\1/p')))
lines "$work/last.txt" noise 3500 10
journald_write noise.service <"$work/last.txt"
passed() { [ $((0x$(grep -aoE 'i=[0-9a-f]+;b=' "$work/ship/positions.db" | tail -n 1 | sed 's/i=\(.*\);b=/\1/'))) -ge "$newest" ]; }
wait_for 12 "the stored cursor has passed entries that were not read" passed
ship_stop ship
