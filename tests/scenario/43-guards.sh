#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "guards of loki.write: long lines, too many labels, labels with too many values, a stream's rate; all is counted"
receiver --max-line-size 400 --max-label-names 3 --max-label-value-length 20
config() { # NAME GUARD PROCESS
	cat <<-END
		loki.source.file "f" {
			targets    = [{"__path__" = "$work/logs/$1.log", "job" = "$1", "a" = "1"}]
			forward_to = [loki.process.p.receiver]
		}
		loki.process "p" {
			forward_to = [loki.write.w.receiver]
			$3
		}
		loki.write "w" {
			guard {
				$2
			}
			dead_letter { }
			endpoint {
				url       = "$LOKI/loki/api/v1/push"
				tenant_id = "$tenant"
			}
		}
	END
}
guarded() { metric "$1" longship_write_guarded_total rule="$2" action="$3"; }
dump() { curl -fsS "$LOKI/_dump?tenant=$tenant" >"$work/dump.json"; python3 - "$work/dump.json" "$@"; }

# ---- cut and demoted
config one 'max_line_size          = "100B"
				max_label_names        = 3
				max_label_value_length = 20' 'stage.regex {
				expression = "^(?P<z>\\S+) "
			}
			stage.labels {
				values = {"z" = "", "zz" = "z"}
			}' >"$work/one.alloy"
{
	printf 'short line\n'
	printf 'long %s\xc3\xa4\xc3\xa4 and more\n' "$(head -c 94 /dev/zero | tr '\0' x)"
	printf '%s is a long value\n' "$(head -c 30 /dev/zero | tr '\0' v)"
} >"$work/logs/one.log"
ship_start one "$work/one.alloy"
watch one
wait_for "$DEADLINE" "all is stored" metric_is 3 one longship_entries_acknowledged_total
prove "Loki refused nothing" metric_is 0 one longship_entries_rejected_total
prove "one line was cut" is "$(guarded one line_too_long truncated)" 1
prove "the stream has three labels, the others are structured metadata" dump <<'END'
import json, sys
streams = json.load(open(sys.argv[1]))["tenants"].popitem()[1]
entries = {e[1][:5]: (s["stream"], e) for s in streams for e in s["entries"]}
labels, entry = entries["short"]
assert sorted(k for k in labels if k != "service_name") == ["a", "job", "z"] and labels["z"] == "short", labels
assert entry[2]["filename"].endswith("/one.log") and entry[2]["zz"] == "short", entry
labels, entry = entries["long "]
assert len(entry[1].encode()) == 99 and entry[1].endswith("xx"), entry[1]  # no half of a character
END
watched one
ship_stop one

# ---- rejected
config two 'max_line_size          = "100B"
				long_line              = "reject"
				max_label_value_length = 20
				bad_labels             = "reject"' 'stage.regex {
				expression = "^(?P<a>\\S+) "
			}
			stage.labels {
				values = {"a" = ""}
			}
			stage.label_drop { values = ["filename"] }' >"$work/two.alloy"
sed 's/one/two/' "$work/logs/one.log" >"$work/logs/two.log"
ship_start two "$work/two.alloy"
watch two
wait_for "$DEADLINE" "the good line is stored" metric_is 1 two longship_entries_acknowledged_total
wait_for "$DEADLINE" "the long one is rejected" metric_is 1 two longship_entries_rejected_total reason=line_too_long
wait_for "$DEADLINE" "the one with the long label, too" metric_is 1 two longship_entries_rejected_total reason=label_value_too_long
prove "both are kept" is "$(cat "$work"/two/loki.write.w/dead-letters/*.jsonl | wc -l)" 2
prove "Loki was not asked" is "$(stats statuses 400)" 0
watched two
ship_stop two

# ---- a label that explodes
config three 'max_label_values = 50
				many_values      = "demote"' 'stage.regex {
				expression = "^pid=(?P<pid>\\S+) "
			}
			stage.labels {
				values = {"pid" = ""}
			}
			stage.label_drop { values = ["filename"] }' >"$work/three.alloy"
for i in $(seq 500); do echo "pid=p$i works"; done >"$work/logs/three.log"
ship_start three "$work/three.alloy"
watch three
wait_for "$DEADLINE" "all is stored" metric_is 500 three longship_entries_acknowledged_total
prove "the label is named, with examples" grep -aq "a label has too many values.*label=pid.*examples=.*p5" "$work/three.log"
prove "fifty became streams, the others have it as structured metadata" dump <<'END'
import json, sys
streams = [s for s in json.load(open(sys.argv[1]))["tenants"].popitem()[1] if s["stream"]["job"] == "three"]
assert len(streams) == 51, len(streams)
rest = [e for s in streams if "pid" not in s["stream"] for e in s["entries"]]
assert len(rest) == 450 and all(e[2]["pid"] == e[1].split()[0][4:] for e in rest), len(rest)
END
watched three
ship_stop three

# ---- a stream's rate
config four 'stream_rate  = "20KiB"
				stream_burst = "20KiB"' 'stage.label_drop { values = ["filename"] }' >"$work/four.alloy"
lines "$work/logs/four.log" four 0 1000
bytes=$(stat -c %s "$work/logs/four.log")
began=$(date +%s%N)
ship_start four "$work/four.alloy"
watch four
# One span is at once; what is appended waits until it is paid for.
wait_for "$DEADLINE" "the first span is stored" metric_is 1000 four longship_entries_acknowledged_total
lines "$work/logs/four.log" four 1000 10
wait_for $((DEADLINE + bytes / 20480)) "what came later, too" metric_is 1010 four longship_entries_acknowledged_total
prove "at no more than the rate" between $(((bytes - 20480) * 1000 / 20480)) $((($(date +%s%N) - began) / 1000000)) 1000000
watched four
ship_stop four
