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
watched ship
ship_stop ship
