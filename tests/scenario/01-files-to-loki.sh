#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "files reach Loki: several files, labels, two tenants, lines that are appended while it runs"
receiver

cat >"$work/ship.alloy" <<END
local.file_match "all" {
	path_targets = [{"__path__" = "$work/logs/*.log", "__path_exclude__" = "$work/logs/not*.log", "job" = "many"}]
	sync_period  = "1s"
}
loki.source.file "all" {
	targets    = local.file_match.all.targets
	forward_to = [loki.write.one.receiver]
}
loki.source.file "other" {
	targets    = [{"__path__" = "$work/logs/other.txt", "job" = "other", "kind" = "text"}]
	forward_to = [loki.relabel.tenant.receiver]
}
loki.relabel "tenant" {
	forward_to = [loki.write.one.receiver]
	rule {
		target_label = "__tenant_id__"
		replacement  = "${tenant}b"
	}
}
$(write_block one)
END

for i in 1 2 3; do lines "$work/logs/$i.log" "s$i" 0 2000; done
lines "$work/logs/not-me.log" excluded 0 10
lines "$work/logs/other.txt" other 0 1000

ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "what the files held arrives" stored_least 6000 '{job="many"}'

for i in 1 2 3; do lines "$work/logs/$i.log" "s$i" 2000 500; done
lines "$work/logs/late.log" late 0 700
wait_for "$DEADLINE" "appended lines and a new file arrive" stored_least 8200 '{job="many"}'
wait_for "$DEADLINE" "the other tenant's lines arrive" stored_least 1000 '{job="other"}' "${tenant}b"
wait_for "$DEADLINE" "everything is acknowledged" metric_is 9200 ship longship_entries_acknowledged_total

for i in 1 2 3; do arrived "{job=\"many\", filename=\"$work/logs/$i.log\"}" "s$i" 2500; done
arrived '{job="many"}' late 700
arrived '{job="other", kind="text"}' other 1000 "${tenant}b"
prove "an excluded file is not read" is "$(oracle count --loki "$LOKI" --tenant "$tenant" \
	--selector "{filename=\"$work/logs/not-me.log\"}")" 0
prove "loki_source_file_read_lines_total tells the truth" metric_is 9200 ship loki_source_file_read_lines_total
prove "loki_write_sent_entries_total tells the truth" metric_is 9200 ship loki_write_sent_entries_total
prove "nothing was sent twice" metric_is 0 ship longship_entries_resent_total
watched ship
ship_stop ship
