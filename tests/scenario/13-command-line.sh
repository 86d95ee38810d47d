#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "the command line: exit statuses, the lock on the storage path, a stop while Loki is away"
receiver
cat >"$work/good.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$work/logs/a.log", "job" = "cli"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END
echo 'loki.write "w" { endpoint { ulr = "http://x/" } }' >"$work/bad.alloy"
echo 'prometheus.exporter.unix "x" { }' >"$work/foreign.alloy"
# ends STATUS COMMAND...
ends() {
	local status=$1
	shift
	"$@" >"$work/out.txt" 2>&1 </dev/null
	is $? "$status" || { head -n 3 "$work/out.txt"; return 1; }
}
prove "validate: a good configuration is 0" ends 0 "$LONGSHIP" validate "$work/good.alloy"
prove "validate: a bad one is 1" ends 1 "$LONGSHIP" validate "$work/bad.alloy"
prove "it names file, line and column" grep -q 'bad.alloy:1:' "$work/out.txt"
prove "and what was meant" grep -q '"url"' "$work/out.txt"
prove "validate: no such file is no success" ends 1 "$LONGSHIP" validate "$work/nowhere.alloy"
prove "validate: a foreign component is 1" ends 1 "$LONGSHIP" validate "$work/foreign.alloy"
prove "usage is 2" ends 2 "$LONGSHIP" run
prove "an unknown command is 2" ends 2 "$LONGSHIP" dance
prove "an unknown flag is 2" ends 2 "$LONGSHIP" run --no-such-flag "$work/good.alloy"
prove "fmt: too" ends 2 "$LONGSHIP" fmt --no-such-flag
prove "and says which, as longship" grep -q '^longship fmt: .*--no-such-flag' "$work/out.txt"
prove "a bad port is 2" ends 2 "$LONGSHIP" run --server.http.listen-addr=127.0.0.1:99999 "$work/good.alloy"
mkdir "$work/empty"
prove "validate: a directory without *.alloy is 1" ends 1 "$LONGSHIP" validate "$work/empty"
prove "and is told" grep -q 'no file \*.alloy' "$work/out.txt"
prove "version is 0" ends 0 "$LONGSHIP" version
for command in run validate fmt eval targets inspect test help version; do
	prove "$command --help is 0" ends 0 "$LONGSHIP" $command --help
done
prove "help explains a component" ends 0 "$LONGSHIP" help loki.write
prove "with its arguments" grep -q batch_wait "$work/out.txt"
prove "run: a bad configuration is 1" ends 1 "$LONGSHIP" run --storage.path="$work/s2" \
	--server.http.listen-addr="127.0.0.1:$(free_port)" "$work/bad.alloy"

lines "$work/logs/a.log" a 0 100
ship_start ship "$work/good.alloy"
wait_for "$DEADLINE" "lines arrive" stored_least 100 '{job="cli"}'
prove "a second instance on the same storage is 3" ends 3 "$LONGSHIP" run --storage.path="$work/ship" \
	--server.http.listen-addr="127.0.0.1:$(free_port)" "$work/good.alloy"
prove "and names the first one's pid" grep -q "${ship_pid[ship]}" "$work/out.txt"
prove "a taken port is 3" ends 3 "$LONGSHIP" run --storage.path="$work/s3" \
	--server.http.listen-addr="${ship_url[ship]#http://}" "$work/good.alloy"
prove "/-/healthy answers" curl -fsS "${ship_url[ship]}/-/healthy"
faults '{"times": -1, "refuse": 503}'
lines "$work/logs/a.log" a 100 100
wait_for "$DEADLINE" "lines wait" metric_least 1 ship longship_entries_in_flight
ship_stop ship
no_faults
ship_again ship
wait_for "$DEADLINE" "what a stop left behind arrives with the next start" stored_least 200 '{job="cli"}'
arrived '{job="cli"}' a 200
ship_stop ship
