#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "Loki's name does not resolve at the start, moves to another address, has several of which one is dead: longship finds it"
unshare -Urm true 2>/dev/null || skip "no user namespaces here: /etc/hosts cannot be changed for one process"
name=loki.longship.test port=$(free_port)
declare -A loki_pid
# An address of this machine for each.
loki_at() { # LAST BYTE OF THE ADDRESS
	python3 "$support/fakeloki.py" --address "127.0.0.$1" --port "$port" --auth --max-streams 100000 >>"$work/loki$1.log" 2>&1 &
	loki_pid[$1]=$!
	wait_for 20 "the fake Loki $1 listens" curl -fsS "http://127.0.0.$1:$port/ready"
}
cleanup() { for i in "${!loki_pid[@]}"; do stop_pid "${loki_pid[$i]}"; done; }
# resolves BYTE...: to these addresses from now on. The file stays the same one: it is mounted.
resolves() {
	local i
	{ echo "127.0.0.1 localhost"; for i in "$@"; do echo "127.0.0.$i $name"; done; } >"$work/hosts.new"
	cat "$work/hosts.new" >"$work/hosts"
}
lines_at() { oracle count --loki "http://127.0.0.$1:$port" --tenant "$tenant" --selector '{job="names"}'; }
cat >"$work/named" <<END
#!/bin/sh
exec unshare -Urm sh -c 'mount --bind "$work/hosts" /etc/hosts && exec "\$@"' sh "$LONGSHIP" "\$@"
END
chmod +x "$work/named"
LONGSHIP=$work/named
cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "names"}]
	forward_to = [loki.write.w.receiver]
}
loki.write "w" {
	endpoint {
		url        = "http://$name:$port/loki/api/v1/push"
		tenant_id  = "$tenant"
		batch_wait = "100ms"
	}
}
END
acknowledged() { metric_is "$1" ship longship_entries_acknowledged_total; }
seconds_until() { # COMMAND...
	local began=$SECONDS
	wait_for 120 "$*" "$@"
	echo $((SECONDS - began))
}
resolves
lines "$work/logs/a.log" a 0 100
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "it has asked for the name in vain" metric_least 2 ship loki_write_batch_retries_total
prove "and says so" grep -qi "resolve" "$work/ship.log"
loki_at 2
resolves 2
prove "the name resolves: it is found within 30 s" between 0 "$(seconds_until acknowledged 100)" 30
stop_pid "${loki_pid[2]}"
loki_at 3
resolves 3
lines "$work/logs/a.log" a 100 100
prove "it moves: it is found within 30 s" between 0 "$(seconds_until acknowledged 200)" 30
prove "the lines are at its new address" is "$(lines_at 3)" 100
loki_at 4
loki_at 5
resolves 3 4 2 5
watched ship
total=200 slowest=0
for _ in 1 2 3 4 5 6 7 8; do
	ship_stop ship
	ship_again ship
	lines "$work/logs/a.log" a $total 10
	total=$((total + 10))
	took=$(seconds_until acknowledged 10)
	[ "$took" -le $slowest ] || slowest=$took
done
prove "four addresses, one of them dead: each start finds a live one within 10 s" between 0 $slowest 10
prove "each line is at one of them" is $(($(lines_at 3) + $(lines_at 4) + $(lines_at 5))) $((total - 100))
used=0
for i in 3 4 5; do [ "$(lines_at $i)" -gt $([ $i = 3 ] && echo 100 || echo 0) ] && used=$((used + 1)); done
prove "and not at the same one each time" between 2 $used 3
ship_stop ship
