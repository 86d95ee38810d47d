#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "peers that take connections and say nothing, that are slow, that die: nothing lost, stops and reloads stay short"
receiver
config() { # REMOTE_TIMEOUT
	cat <<-END
		loki.source.file "f" {
			targets    = [{"__path__" = "$work/logs/a.log", "job" = "a"}]
			forward_to = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url                = "$LOKI/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_wait         = "100ms"
				remote_timeout     = "$1"
				min_backoff_period = "50ms"
				max_backoff_period = "200ms"
			}
		}
	END
}
acknowledged() { metric_is "$1" ship longship_entries_acknowledged_total; }
seconds() { # COMMAND...: how long it takes
	local began=$SECONDS
	"$@" >&2
	echo $((SECONDS - began))
}
config 1s >"$work/ship.alloy"
lines "$work/logs/a.log" a 0 1000
ship_start ship "$work/ship.alloy" --drain-timeout=3s
watch ship
wait_for "$DEADLINE" "all is sent" acknowledged 1000

# The kernel takes what is sent, nobody answers.
kill -STOP "$fake_pid"
lines "$work/logs/a.log" a 1000 5000
wait_for "$DEADLINE" "three attempts end by time-out" metric_least 3 ship loki_write_request_duration_seconds_count status_code=-1
prove "what may have been stored counts as sent again" metric_least 1 ship longship_entries_resent_total
kill -CONT "$fake_pid"
wait_for "$DEADLINE" "it answers again: all is sent" acknowledged 6000
arrived '{job="a"}' a 6000

# Answers take twice the remote_timeout.
faults '{"times": -1, "delay_ms": 2000}'
lines "$work/logs/a.log" a 6000 1000
wait_for "$DEADLINE" "an answer that takes twice the remote_timeout is waited for after two time-outs" acknowledged 7000
no_faults
arrived '{job="a"}' a 7000

# A reload while the peer is silent waits no longer than a remote_timeout.
kill -STOP "$fake_pid"
lines "$work/logs/a.log" a 7000 100
wait_for "$DEADLINE" "a request is under way" metric_least 100 ship longship_entries_in_flight
config 2s >"$work/ship.alloy"
prove "a reload while the peer is silent is short" between 0 "$(seconds reload ship)" 15
kill -CONT "$fake_pid"
wait_for "$DEADLINE" "it answers again: all is sent" acknowledged 7100

# The connection is kept, and dead: the peer comes back as another.
fake_stop
fake_start
lines "$work/logs/a.log" a 7100 100
wait_for "$DEADLINE" "a kept connection that is dead costs nothing" acknowledged 7200
prove "the new peer has them once" is "$(stored '{job="a"}')" 100

# A stop while the peer is silent ends with the drain time-out; the next life sends the rest.
kill -STOP "$fake_pid"
lines "$work/logs/a.log" a 7200 100
wait_for "$DEADLINE" "a request is under way" metric_least 100 ship longship_entries_in_flight
watched ship
began=$SECONDS
ship_stop ship
prove "a stop while the peer is silent is over within the drain time-out" between 0 $((SECONDS - began)) 10
kill -CONT "$fake_pid"
ship_start ship "$work/ship.alloy" --drain-timeout=3s
wait_for "$DEADLINE" "the next life sends them" acknowledged 100
distinct() { curl -fsS "$LOKI/_dump?tenant=$tenant" | python3 -c 'import json, sys
print(len({e[1] for s in json.load(sys.stdin)["tenants"].popitem()[1] for e in s["entries"]}))'; }
prove "all are there" is "$(distinct)" 200
ship_stop ship
