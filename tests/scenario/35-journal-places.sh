#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "the journals of a machine where they are: from /run to /var, namespaces, a Promtail's cursor"
need_journald
cleanup() { journald_end; }
receiver
JOURNALD_VOLATILE=1
journald_start
longship_inside
JOURNAL=$journald_dir/run/log/journal

# block NAME [ARGUMENTS]: as journal_block, of this machine's journals.
block() {
	cat <<-END
		loki.source.journal "$1" {
			max_age       = "1000h"
			relabel_rules = discovery.relabel.$1.rules
			forward_to    = [loki.write.w.receiver]
			${2:-}
		}
		discovery.relabel "$1" {
			targets = []
			rule {
				source_labels = ["__journal__systemd_unit"]
				target_label  = "unit"
			}
			rule {
				target_label = "source"
				replacement  = "$1"
			}
		}
	END
}
write() {
	lines "$work/$1.txt" "$1" 0 "$2"
	journald_write "$1.service" <"$work/$1.txt"
}

say "from /run to /var while it is read"
{ block j; write_block w; } >"$work/ship.alloy"
write before 500
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "what stands in /run arrives" stored_least 500 '{unit="before.service"}'
lines "$work/across.txt" across 0 3000 --rate 2000 &
# The writer goes on while journald moves.
sleep 0.1
JOURNAL=$journald_dir/files
tail -n +1 -F "$work/across.txt" 2>/dev/null | head -n 3000 | journald_write across.service &
writer=$!
journald_flush
wait $writer
write after 500
for stream in across:3000 after:500 before:500; do
	wait_for "$DEADLINE" "all of ${stream%:*} arrive" stored_least "${stream#*:}" "{unit=\"${stream%:*}.service\"}"
	arrived "{unit=\"${stream%:*}.service\"}" "${stream%:*}" "${stream#*:}"
done
prove "the files in /run are gone" test -z "$(ls "$journald_dir"/run/log/journal/*/*.journal 2>/dev/null)"
prove "no entry was missed" metric_is 0 ship longship_journal_gap_total
ship_stop ship
ship_again ship
write later 100
wait_for "$DEADLINE" "it goes on in /var" stored_least 100 '{unit="later.service"}'
arrived '{unit="before.service"}' before 500
ship_stop ship

say "namespaces"
rm -rf "$work/ship"
{ block own 'namespace = "extra"'; block all 'namespace = "*"'; block default; write_block w; } >"$work/names.alloy"
ship_start ship "$work/names.alloy"
wait_for "$DEADLINE" "the default one is read" stored_least 500 '{unit="after.service", source="default"}'
journald_namespace extra
lines "$work/other.txt" other 0 400
in_namespace extra journald_write other.service <"$work/other.txt"
for source in own all; do
	wait_for 20 "a namespace that comes while longship runs is found: $source" stored_least 400 "{unit=\"other.service\", source=\"$source\"}"
	arrived "{unit=\"other.service\", source=\"$source\"}" other 400
done
prove "the default namespace is not it" stored_is 0 '{unit="other.service", source="default"}'
prove "one namespace is not the default one" stored_is 0 '{unit="after.service", source="own"}'
wait_for "$DEADLINE" "all is both" stored_least 500 '{unit="after.service", source="all"}'
arrived '{unit="after.service", source="all"}' after 500
ship_stop ship

say "the cursor of a Promtail"
rm -rf "$work/ship"
write kept 200
cursor=$(journalctl -D "$JOURNAL" _SYSTEMD_UNIT=kept.service -n 150 -o export | sed -n 's/^__CURSOR=//p' | head -n 1)
printf 'positions:\n  cursor-journal: "%s"\n  /var/log/x.log: "17"\n' "$cursor" >"$work/positions.yaml"
{
	block taken "legacy_position {
		file = \"$work/positions.yaml\"
		name = \"journal\"
	}"
	write_block w
} >"$work/legacy.alloy"
ship_start ship "$work/legacy.alloy"
wait_for "$DEADLINE" "it goes on behind the cursor" stored_least 149 '{unit="kept.service", source="taken"}'
write new 50
wait_for "$DEADLINE" "and follows" stored_least 50 '{unit="new.service", source="taken"}'
prove "what Promtail had sent is not sent again" stored_is 149 '{unit="kept.service", source="taken"}'
prove "nor what is older" stored_is 0 '{unit="after.service", source="taken"}'
prove "the log says whose cursor it is" grep -q "took over Promtail's cursor" "$work/ship.log"
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
ship_stop ship
rm "$work/positions.yaml"
ship_again ship
write last 10
wait_for "$DEADLINE" "afterwards its own counts" stored_least 10 '{unit="last.service", source="taken"}'
prove "and nothing is sent again" stored_is 149 '{unit="kept.service", source="taken"}'
ship_stop ship
