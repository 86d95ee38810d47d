#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a line that Loki refuses without a word (204) is seen: late streams travel alone, and the ledger is what is stored"
receiver
port=$(free_port)
config() {
	cat <<-END
		loki.source.api "in" {
			http {
				listen_address = "127.0.0.1"
				listen_port    = $port
			}
			use_incoming_timestamp = true
			forward_to             = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url        = "$LOKI/loki/api/v1/push"
				tenant_id  = "$tenant"
				batch_wait = "50ms"
				$1
			}
		}
	END
}
# push STREAM:AGE_SECONDS:LINE...: one push with these entries, in this order.
push() {
	python3 - "http://127.0.0.1:$port/loki/api/v1/push" "$@" <<'END'
import json, sys, time, urllib.request
now = time.time_ns()
streams = [{"stream": {"app": s}, "values": [[str(now - int(age) * 10**9), line]]} for s, age, line in (a.split(":") for a in sys.argv[2:])]
request = urllib.request.Request(sys.argv[1], json.dumps({"streams": streams}).encode(), {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=30)
END
}
known() { # ACKNOWLEDGED REJECTED
	metric_is "$1" "$ship" longship_entries_acknowledged_total && { [ "$2" = 0 ] || metric_is "$2" "$ship" longship_entries_rejected_total reason=too_far_behind; }
}
ship=apart
config '' >"$work/apart.alloy"
ship_start apart "$work/apart.alloy"
watch apart
push a:0:new b:0:new
wait_for "$DEADLINE" "two new lines are stored" known 2 0
push a:7200:late b:0:good
wait_for "$DEADLINE" "the late one is rejected, the good one acknowledged" known 3 1
prove "Loki has what the ledger says" is "$(stored '{app=~".+"}')" 3
# After a start nothing is known of the stream: its age counts.
watched apart
ship_stop apart
ship_start apart "$work/apart.alloy"
watch apart
push a:7200:late b:0:good2
wait_for "$DEADLINE" "after a start, too" known 1 1
prove "Loki has what the ledger says" is "$(stored '{app=~".+"}')" 4
# A backlog in order is no late stream: it goes out together.
pushes=$(stats pushes)
push c:1000:one d:1000:one
push c:999:two d:999:two
push c:998:three d:998:three
wait_for "$DEADLINE" "a backlog in order arrives" known 7 1
prove "in five requests: only the first was sent apart" between 4 $(($(stats pushes) - pushes)) 5
watched apart
ship_stop apart

ship=together
config 'out_of_order_window = "0s"' >"$work/together.alloy"
ship_start together "$work/together.alloy"
push e:0:new f:0:new
wait_for "$DEADLINE" "two new lines are stored" known 2 0
push e:7200:late f:0:good
wait_for "$DEADLINE" "with out_of_order_window = 0 Loki's 204 is believed" known 4 0
prove "though the late line is not there: this is what the default is for" is "$(stored '{app=~"e|f"}')" 3
ship_stop together
