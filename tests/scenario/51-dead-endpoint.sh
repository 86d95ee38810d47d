#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "two endpoints, one dead for long, through kills, restarts, reloads and rotations: the live one is not delayed, both get each line once"
receiver
live=$LOKI
other_port=$(free_port)
other=http://127.0.0.1:$other_port other_pid=
# Stopped, not ended: what it has stored is needed at the end. Its port does not answer then.
other_up() {
	if [ -n "$other_pid" ]; then
		kill -CONT "$other_pid"
	else
		python3 "$support/fakeloki.py" --port "$other_port" "${fake_options[@]}" >>"$work/other.log" 2>&1 &
		other_pid=$!
	fi
	wait_for 20 "the other Loki listens" curl -m 2 -fsS "$other/ready"
}
other_down() { kill -STOP "$other_pid"; }
cleanup() {
	[ -z "$other_pid" ] || { kill -CONT "$other_pid"; stop_pid "$other_pid"; }
}

config() {
	cat >"$work/ship.alloy" <<-END
		local.file_match "m" { path_targets = [{"__path__" = "$work/logs/*.log", "job" = "two", "version" = "v"}] }
		loki.source.file "f" {
			targets    = local.file_match.m.targets
			forward_to = [loki.process.p.receiver]
		}
		loki.process "p" {
			forward_to = [loki.write.w.receiver]
			// version $1
			stage.label_drop { values = ["version", "v$1"] }
		}
		loki.write "w" {
			endpoint {
				url                = "$live/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_wait         = "100ms"
				batch_size         = "32KiB"
				remote_timeout     = "2s"
				min_backoff_period = "50ms"
				max_backoff_period = "400ms"
			}
			endpoint {
				name               = "other"
				url                = "$other/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_wait         = "100ms"
				batch_size         = "32KiB"
				remote_timeout     = "2s"
				min_backoff_period = "50ms"
				max_backoff_period = "400ms"
			}
		}
	END
}

files=3 n=0
append() {
	local i
	for i in $(seq $files); do lines "$work/logs/$i.log" "s$i" "$n" "$1"; done
	n=$((n + $1))
}
has() { # URL: all lines of all files are there, once (a log query merges the copies that a kill may leave)
	local i
	for i in $(seq $files); do
		oracle check --loki "$1" --tenant "$tenant" --selector "{job=\"two\"}" --run "$run" --stream "s$i" --count "$n" >"$work/has.txt" 2>&1 || return 1
	done
}

config 1
append 500
other_up
ship_start ship "$work/ship.alloy" --lanes=2
wait_for "$DEADLINE" "both have the first lines" has "$live"
other_down
RANDOM=${SEED:-1}
slowest=0
for round in $(seq "${ROUNDS:-$([ -n "${LONG:-}" ] && echo 16 || echo 6)}"); do
	append $((200 + RANDOM % 1500))
	begin=$(date +%s%3N)
	wait_for "$DEADLINE" "round $round: the live one has all" has "$live"
	took=$(($(date +%s%3N) - begin))
	case $((RANDOM % 6)) in
	0) did=kill; ship_kill ship; ship_again ship ;;
	1) did=restart; ship_stop ship; ship_again ship ;;
	2) did=reload; config "$round"; is "$(reload ship)" 200 >/dev/null || fail "reload" ;;
	3) did=rotate
		mv "$work/logs/1.log" "$work/logs/1.log.$round" && : >"$work/logs/1.log" ;;
	4) did=up; other_up; sleep 0.2; other_down ;;
	5) did=both; other_up; ship_kill ship; ship_again ship; other_down ;;
	esac
	say "round $round: $took ms, then $did"
	[ $took -le $slowest ] || slowest=$took
done
# What is measured includes the asking, which a sanitizer's run on busy processors makes slow.
[ -n "${LONGSHIP_SAN:-}" ] || prove "the live one waited no longer than 15 s, starts and reloads included (ms)" between 0 "$slowest" 15000
append 100
wait_for "$DEADLINE" "the live one has all" has "$live"
other_up
wait_for "$DEADLINE" "the other one gets the rest" has "$other"
wait_for "$DEADLINE" "nothing is in flight" metric_is 0 ship longship_entries_in_flight
prove "nothing was given up" is "$(metric ship longship_entries_dropped_total)" 0
for i in $(seq $files); do
	arrived '{job="two"}' "s$i" "$n"
	prove "$n lines of s$i arrived once, in order and intact at the other" oracle check --loki "$other" --tenant "$tenant" \
		--selector '{job="two"}' --run "$run" --stream "s$i" --count "$n"
done
ship_stop ship
