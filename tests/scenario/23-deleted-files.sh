#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a file is deleted unread and longship killed: the service manager has kept it open, and its rest is read"
receiver
mkdir -p "$work/logs"
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "deleted"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

port=$(free_port)
ship_url[ship]=http://127.0.0.1:$port
lines "$file" a 0 2000
python3 "$(dirname "$0")/service_manager.py" "$work/pid" "$LONGSHIP" run --server.http.listen-addr="127.0.0.1:$port" \
	--storage.path="$work/ship" "$work/ship.alloy" >>"$work/ship.log" 2>&1 &
manager=$!
field() { cut -d ' ' -f "$1" "$work/pid"; }
kept() { [ "$(field 2)" = "$1" ]; }
another() { [ "$(field 1)" != "$1" ]; }
cleanup() { kill -9 "$(field 1)" "$manager" 2>/dev/null; }

wait_for "$DEADLINE" "the first lines arrive" stored_least 2000 '{job="deleted"}'
faults '{"times": -1, "refuse": 503}'
lines "$file" a 2000 20000
wait_for "$DEADLINE" "the rest is read, but not stored" metric_least 1000 ship longship_entries_in_flight
rm "$file"
lines "$file" a 22000 1000
wait_for "$DEADLINE" "the deleted file is kept open elsewhere" kept 1
was=$(field 1)
kill -9 "$was"
wait_for "$DEADLINE" "longship is started again" another "$was"
no_faults
wait_for "$DEADLINE" "all lines arrive" stored_least 23000 '{job="deleted"}'
arrived '{job="deleted"}' a 23000
wait_for "$DEADLINE" "nothing is kept any more" kept 0
prove "nothing was read from its start again" is "$(metric ship longship_source_rewound_total)" 0
kill -TERM "$(field 1)"
wait_for "$DEADLINE" "longship ends" gone "$manager"
