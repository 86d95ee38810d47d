#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "push in, push out: loki.source.api answers 204 when entries are stored, 503 while they cannot be"
receiver
api_port=$(free_port)

cat >"$work/relay.alloy" <<END
loki.source.api "in" {
	http {
		listen_address = "127.0.0.1"
		listen_port    = $api_port
	}
	use_incoming_timestamp = true
	labels                 = {hop = "relay"}
	forward_to             = [loki.write.out.receiver]
}
$(write_block out)
END
cat >"$work/edge.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "edge"}]
	forward_to = [loki.write.relay.receiver]
}
loki.write "relay" {
	endpoint {
		url                = "http://127.0.0.1:$api_port/loki/api/v1/push"
		batch_wait         = "100ms"
		min_backoff_period = "50ms"
		max_backoff_period = "500ms"
	}
}
END
push() {
	curl -sS -m 30 -D "$work/headers" -o "$work/answer" -w '%{http_code}\n' -H "Content-Type: ${2:-application/json}" \
		--data-binary "$1" "http://127.0.0.1:$api_port/loki/api/v1/push"
}
now() { date +%s%N; }

ship_start relay "$work/relay.alloy"
watch relay
prove "a JSON push is taken" is "$(push "{\"streams\": [{\"stream\": {\"job\": \"json\"}, \"values\": [[\"$(now)\", \"hello\"], \
[\"$(now)\", \"with metadata\", {\"trace\": \"1\"}]]}]}")" 204
prove "with 204 the entries are stored" is "$(stored '{job="json", hop="relay"}')" 2
prove "a body that is not JSON is refused" is "$(push '{"streams": [')" 400
prove "a body that is not snappy is refused" is "$(push 'garbage' application/x-protobuf)" 400
prove "an unknown path is refused" is "$(curl -s -o /dev/null -w '%{http_code}' -X POST "http://127.0.0.1:$api_port/nowhere")" 404

lines "$work/logs/a.log" a 0 5000
ship_start edge "$work/edge.alloy"
wait_for "$DEADLINE" "lines pass through the relay" stored_least 5000 '{job="edge", hop="relay"}'

faults '{"times": -1, "refuse": 503}'
code=$(push "{\"streams\": [{\"stream\": {\"job\": \"late\"}, \"values\": [[\"$(now)\", \"while it is down\"]]}]}")
prove "while Loki is down a push is answered with 503" is "$code" 503
prove "and with Retry-After" grep -iq '^retry-after:' "$work/headers"
lines "$work/logs/a.log" a 5000 5000
wait_for "$DEADLINE" "the edge keeps its lines meanwhile" metric_least 1 edge longship_entries_in_flight
no_faults
wait_for "$DEADLINE" "then they pass" stored_least 10000 '{job="edge", hop="relay"}'
wait_for "$DEADLINE" "all are acknowledged" metric_is 10000 edge longship_entries_acknowledged_total
arrived '{job="edge"}' a 10000
watched relay
ship_stop edge
ship_stop relay
