#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "of a push that Loki's default limits refuse in part, the refused entries are known exactly: rejected is what is not stored"
port=$(free_port)
if [ "$RECEIVER" = loki ]; then
	loki=$support/../loki/loki.sh
	cleanup() { "$loki" stop "$work/loki"; }
	mkdir "$work/loki"
	LOKI=$(LOKI_LIMITS=default "$loki" start "$work/loki" "$(free_port)")
else
	fake_port=$(free_port)
	fake_options=(--rate 0)
	LOKI=http://127.0.0.1:$fake_port
	fake_start
fi
cat >"$work/ship.alloy" <<END
loki.source.api "in" {
	http {
		listen_address = "127.0.0.1"
		listen_port    = $port
	}
	use_incoming_timestamp = true
	forward_to             = [loki.write.w.receiver]
}
loki.write "w" {
	dead_letter { }
	endpoint {
		url        = "$LOKI/loki/api/v1/push"
		batch_size = "4MiB"
		out_of_order_window = "0s" // all in one request
	}
}
END
ship_start ship "$work/ship.alloy"
watch ship
cat >"$work/push.py" <<'END'
import json, sys, time, urllib.request
HOUR = 3600 * 10**9
run, now = sys.argv[2], time.time_ns()
labels = lambda s, **more: dict({"run": run, "s": s}, **more)
many = {f"l{i}": "1" for i in range(20)}
streams = [
    (labels("old"), [(now - 200 * HOUR - i, f"BAD old {i}", {}) for i in range(30)] + [(now + i, f"good {i}", {}) for i in range(50)]),
    (labels("many", **many), [(now + i, f"BAD many {i}", {}) for i in range(7)]),
    (labels("future"), [(now + i, f"good {i}", {}) for i in range(20)] + [(now + 3 * HOUR + i, f"BAD future {i}", {}) for i in range(4)]),
    (labels("long"), [(now, "BAD long " + "x" * 300000, {}), (now + 1, "good", {}), (now - 201 * HOUR, "BAD old and long " + "x" * 300000, {})]),
    (labels("meta"), [(now, "BAD much", {"m": "x" * 66000}), (now + 1, "good", {"m": "x"}), (now + 2, "BAD pairs", {f"m{i}": "" + "x" for i in range(128)} | {"zz": "x"})]),
    (labels("value", v="x" * 2100), [(now + i, f"BAD value {i}", {}) for i in range(3)]),
    (labels("good"), [(now + i, f"good {i}", {}) for i in range(40)]),
]
body = json.dumps({"streams": [{"stream": l, "values": [[str(t), line, m] for t, line, m in e]} for l, e in streams]}).encode()
try:
    print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"}), timeout=60).status)
except urllib.error.HTTPError as e:
    print(e.code)
END
# 129 pairs do not get into longship: an entry has at most 128.
sed -i 's/range(128)} | {"zz": "x"}/range(128)}/; s/"BAD pairs"/"good pairs"/' "$work/push.py"
python3 "$work/push.py" "http://127.0.0.1:$port/loki/api/v1/push" "$run" >"$work/status"
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "it was one request" metric_is 1 ship loki_write_request_duration_seconds_count
for pair in greater_than_max_sample_age:31 max_label_names_per_series:7 too_far_in_future:4 line_too_long:1 \
	structured_metadata_too_large:1 label_value_too_long:3; do
	prove "${pair#*:} are rejected as ${pair%:*}" metric_is "${pair#*:}" ship longship_entries_rejected_total "reason=${pair%:*}"
done
prove "the others are acknowledged" metric_is 113 ship longship_entries_acknowledged_total
prove "the letters are the bad ones, each with its reason" python3 - "$work"/ship/loki.write.w/dead-letters/*.jsonl <<'END'
import json, sys
letters = [json.loads(line) for name in sys.argv[1:] for line in open(name)]
words = {"old": "greater_than_max_sample_age", "many": "max_label_names_per_series", "future": "too_far_in_future", "long": "line_too_long",
         "much": "structured_metadata_too_large", "value": "label_value_too_long"}
assert len(letters) == 47, len(letters)
for l in letters:
    bad, word, *_ = l["line"].split()
    assert bad == "BAD" and l["reason"] == words[word], l["line"][:40] + l["reason"]
END
count_stored() {
	curl -fsS -G "$LOKI/loki/api/v1/query_range" --data-urlencode "query={run=\"$run\"}" --data-urlencode "limit=5000" \
		--data-urlencode "start=$((($(date +%s) - 3600 * 300) * 1000000000))" --data-urlencode "end=$((($(date +%s) + 3600 * 5) * 1000000000))" |
		python3 -c 'import json, sys
lines = [v[1] for s in json.load(sys.stdin)["data"]["result"] for v in s["values"]]
print(len(lines), sum("BAD" in l for l in lines))'
}
stored_all() { [ "$(count_stored)" = "113 0" ]; }
wait_for "$DEADLINE" "Loki has the good ones, and no other" stored_all
pass "Loki has the good ones, and no other"
watched ship
ship_stop ship
