#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a stream over Loki's rate: what was refused comes again, what was stored does not; the limit of active streams, too"
receiver --stream-rate 60000 --stream-burst 60000 --max-streams 2
config() {
	cat <<-END
		loki.source.file "f" {
			targets    = [$1]
			forward_to = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url                = "$LOKI/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_size         = "$2"
				batch_wait         = "100ms"
				min_backoff_period = "100ms"
				max_backoff_period = "500ms"
			}
		}
	END
}
config "{\"__path__\" = \"$work/logs/hot.log\", \"job\" = \"hot\"}" 50KiB >"$work/ship.alloy"
lines "$work/logs/hot.log" hot 0 3000
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "all is stored in the end" metric_is 3000 ship longship_entries_acknowledged_total
arrived '{job="hot"}' hot 3000
prove "the rate was met" metric_least 1 ship loki_write_request_duration_seconds_count status_code=429
prove "nothing was rejected" metric_is 0 ship longship_entries_rejected_total
prove "hardly anything was stored twice: what was refused was named" between 3000 "$(stored '{job="hot"}')" 3100
watched ship
ship_stop ship

# Three new streams in one push where one more is allowed: the two that did not get in wait, the others go on.
curl -fsS -X POST "$LOKI/_reset"
for s in a b c; do lines "$work/logs/$s.log" "$s" 0 20; done
config "{\"__path__\" = \"$work/logs/a.log\", \"job\" = \"a\"}, {\"__path__\" = \"$work/logs/b.log\", \"job\" = \"b\"},
	{\"__path__\" = \"$work/logs/c.log\", \"job\" = \"c\"}" 1MiB >"$work/three.alloy"
ship_start three "$work/three.alloy" --lanes=1
watch three
wait_for "$DEADLINE" "the limit is met" metric_least 1 three loki_write_request_duration_seconds_count status_code=429
wait_for "$DEADLINE" "what got in is acknowledged" metric_is 40 three longship_entries_acknowledged_total
prove "what did not get in is kept" metric_is 20 three longship_entries_in_flight
prove "nothing is rejected" metric_is 0 three longship_entries_rejected_total
stop_pid "$fake_pid"
fake_options=(--auth)
fake_start
wait_for "$DEADLINE" "the limit is gone: the rest is stored" metric_is 60 three longship_entries_acknowledged_total
watched three
ship_stop three
