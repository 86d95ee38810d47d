#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "what Loki refuses is named and kept: the right lines, each once, with stream, time and reason"
receiver --max-line-size 300 --max-label-names 3
config() {
	cat <<-END
		loki.source.file "f" {
			targets    = [
				{"__path__" = "$work/logs/a.log", "job" = "a"},
				{"__path__" = "$work/logs/b.log", "job" = "b", "x" = "1", "y" = "2", "z" = "3"},
			]
			forward_to = [loki.write.w.receiver]
		}
		loki.write "w" {
			dead_letter {
				max_size = "$1"
			}
			endpoint {
				url       = "$LOKI/loki/api/v1/push"
				tenant_id = "$tenant"
			}
		}
	END
}
letters() { cat "$work"/ship/loki.write.w/dead-letters/*.jsonl; }
lines "$work/logs/a.log" a 0 500
for i in 1 2 3; do
	printf 'long %d %s\n' "$i" "$(head -c 400 /dev/zero | tr '\0' x)" >>"$work/logs/a.log"
	lines "$work/logs/a.log" a $((i * 500)) 500
done
printf 'bytes \xff\xfe %s\n' "$(head -c 400 /dev/zero | tr '\0' y)" >>"$work/logs/a.log"
lines "$work/logs/b.log" b 0 10
config 1MiB >"$work/ship.alloy"
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "all are settled" metric_is 2000 ship longship_entries_acknowledged_total
wait_for "$DEADLINE" "the refused ones, too" metric_is 4 ship longship_entries_rejected_total reason=line_too_long
wait_for "$DEADLINE" "the stream with too many labels is rejected" metric_is 10 ship longship_entries_rejected_total reason=max_label_names_per_series
arrived '{job="a"}' a 2000
prove "the warning names the file" grep -aq "Loki refused entries.*source=.*logs/" "$work/ship.log"
prove "14 letters are kept" metric_is 14 ship longship_dead_letters_total
letters >"$work/letters.jsonl"
prove "they are the refused ones" python3 - "$work/letters.jsonl" "$tenant" <<'END'
import base64, json, sys
letters = [json.loads(line) for line in open(sys.argv[1])]
long = [l for l in letters if l["reason"] == "line_too_long"]
texts = sorted(l["line"][:6] for l in long if "line" in l)
assert texts == ["long 1", "long 2", "long 3"], texts
raw = [base64.b64decode(l["line_base64"]) for l in long if "line_base64" in l]
assert len(raw) == 1 and raw[0].startswith(b"bytes \xff\xfe "), raw
many = [l for l in letters if l["reason"] == "max_label_names_per_series"]
assert len(many) == 10 and all(l["labels"]["job"] == "b" and l["labels"]["z"] == "3" for l in many), many
assert all(l["tenant"] == sys.argv[2] and l["ts"].endswith("Z") for l in letters)
assert len({(l["ts"], l["labels"]["job"]) for l in letters}) == 14
print(len(letters))
END
prove "they are for their owner only" is "$(stat -c %a "$work"/ship/loki.write.w/dead-letters/*.jsonl | sort -u)" 600

# ---- again
replay() { "$LONGSHIP" replay --config="$work/ship.alloy" "$work/ship/loki.write.w/dead-letters" >"$work/replay.txt" 2>&1; echo $?; }
prove "a replay, nothing has changed: the status says that all is left" is "$(replay)" 1
prove "and why" grep -q "0 stored, 14 left: 14 refused again" "$work/replay.txt"
prove "no letter was lost" is "$(letters | wc -l)" 14
faults '{"times": -1, "refuse": 503}'
prove "a Loki that fails: the status says so" is "$(replay)" 3
prove "no letter was lost" is "$(letters | wc -l)" 14
no_faults
stop_pid "$fake_pid"
fake_options=(--auth --max-line-size 0 --max-label-names 3)
fake_start
prove "long lines are allowed now: what Loki stores is gone, the rest is left" is "$(replay)" 1
prove "it says so" grep -q "4 stored, 10 left: 10 refused again (max_label_names_per_series)" "$work/replay.txt"
prove "Loki has the four" is "$(stored '{job="a"}')" 4
stop_pid "$fake_pid"
fake_options=(--auth --max-line-size 0)
fake_start
printf 'half a let' >>"$(printf '%s\n' "$work"/ship/loki.write.w/dead-letters/*.jsonl | tail -n 1)"
prove "many labels, too; half a letter stays" is "$(replay)" 1
prove "it says so" grep -q "10 stored, 1 left: 1 that are no letters" "$work/replay.txt"
arrived '{job="b"}' b 10
rm "$work"/ship/loki.write.w/dead-letters/*.jsonl
prove "nothing there: fine" is "$(replay)" 0
lines "$work/logs/a.log" a 2000 100
wait_for "$DEADLINE" "the longship that ran all the while goes on" metric_is 2100 ship longship_entries_acknowledged_total
watched ship
ship_stop ship
