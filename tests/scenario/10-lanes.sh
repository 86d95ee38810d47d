#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "one lane and four lanes give the same entries"
receiver
files=8

for i in $(seq $files); do
	python3 - "$work/logs/$i.log" "$i" <<'END'
import json, sys
with open(sys.argv[1], "w") as f:
    for n in range(2000):
        level = ("debug", "info", "warn", "error")[n * 7 % 4]
        f.write(json.dumps({"time": f"2026-01-02T03:{n // 60 % 60:02}:{n % 60:02}.{n % 1000:03}Z", "level": level,
                            "msg": f"file {sys.argv[2]} line {n}", "n": n}) + "\n")
END
done

config() {
	local old=$tenant
	tenant=$1
	cat <<-END
		local.file_match "m" { path_targets = [{"__path__" = "$work/logs/*.log", "job" = "lanes"}] }
		loki.source.file "f" {
			targets    = local.file_match.m.targets
			forward_to = [loki.process.p.receiver]
		}
		loki.process "p" {
			forward_to = [loki.write.w.receiver]
			stage.json      { expressions = {level = "", msg = "", time = ""} }
			stage.drop {
				source = "level"
				value  = "debug"
			}
			stage.labels    { values = {level = ""} }
			stage.output    { source = "msg" }
		}
		$(write_block w)
	END
	tenant=$old
}
for lanes in 1 4; do
	config "$tenant-$lanes" >"$work/$lanes.alloy"
	ship_start "lanes$lanes" "$work/$lanes.alloy" --lanes=$lanes
	watch "lanes$lanes"
	wait_for "$DEADLINE" "$lanes lanes: all arrive" stored_least $((files * 1500)) '{job="lanes"}' "$tenant-$lanes"
	wait_for "$DEADLINE" "$lanes lanes: all is settled" metric_is 0 "lanes$lanes" longship_entries_in_flight
	prove "$lanes lanes: a quarter was dropped and counted" metric_is $((files * 500)) "lanes$lanes" longship_entries_dropped_total
	watched "lanes$lanes"
	ship_stop "lanes$lanes"
	for i in $(seq $files); do
		for level in info warn error; do
			probe lines "$LOKI" "$tenant-$lanes" "{filename=\"$work/logs/$i.log\", level=\"$level\"}"
		done
	done >"$work/$lanes.out"
done
prove "both gave the same lines under the same labels in the same order" cmp "$work/1.out" "$work/4.out"
prove "and these are all" is "$(wc -l <"$work/4.out")" $((files * 1500))
