#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "positions and status: with and without a running longship; nothing is lost by a change while it works"
receiver
a=$work/logs/a.log b=$work/logs/b.log

config() {
	cat <<-END
		loki.source.file "f" {
			targets    = [{"__path__" = "$a", "job" = "pos"}, {"__path__" = "$b", "job" = "pos"}]
			forward_to = [loki.write.w.receiver]
			${1:-}
		}
		$(write_block w)
	END
}
config >"$work/ship.alloy"
positions() { "$LONGSHIP" positions --storage.path="$work/ship" "$@"; }
status() { "$LONGSHIP" status --storage.path="$work/ship" "$@"; }
# offset_is N PATH: what the list says.
offset_is() { is "$(positions list --json | python3 -c '
import json, sys
print([r["offset"] for r in json.load(sys.stdin) if r["path"] == sys.argv[1] and r["state"] in ("current", "placed")])' "$2")" "[$1]"; }
fails() {
	local status=$1 text=$2
	shift 2
	"$@" >"$work/out.txt" 2>&1 && { echo "it succeeded"; return 1; }
	is $? "$status" || { cat "$work/out.txt"; return 1; }
	grep -qF -- "$text" "$work/out.txt" || { cat "$work/out.txt"; return 1; }
}
# distinct FILE N: so many different lines of it are there.
distinct() { is "$(probe lines "$LOKI" "$tenant" "{filename=\"$1\"}" | sort -u | wc -l)" "$2"; }

prove "status without a longship is 1 and says so" fails 1 "no longship is running" status
prove "so is a list without a store" fails 1 "there are no positions" positions list
prove "and it makes none" test ! -e "$work/ship"
prove "usage is 2" fails 2 "usage" positions dance
prove "export needs a format" fails 2 "--format" positions export

# Promtail was here: 40 lines of a and all of b are shipped.
lines "$a" a 0 100
lines "$b" b 0 100
off=$(head -n 40 "$a" | wc -c)
printf 'positions:\n  %s: "%s"\n  %s: "%s"\n  cursor-x: s=1;i=2\n' "$a" "$off" "$b" "$(stat -c %s "$b")" >"$work/positions.yaml"
prove "an import does not guess the component" fails 1 "--component" positions import "$work/positions.yaml"
prove "an import before the first start" positions import --component=loki.source.file.f "$work/positions.yaml"
prove "is listed" offset_is "$off" "$a"
prove "a set behind the end is refused" fails 1 "has only" positions set --component=loki.source.file.f "$a" 99999999
ship_start ship "$work/ship.alloy"
wait_for "$DEADLINE" "the rest of a arrives" stored_least 60 '{job="pos"}'
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "and nothing that Promtail had shipped" is "$(stored '{job="pos"}')" 60
prove "the socket is its owner's" is "$(stat -c %a "$work/ship/control.sock")" 600

prove "status: a table" status
status | grep -q "^loki.source.file.f  *60  *60  *0 " && pass "with the counts" || fail "status has no counts"
status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
src, end = s["sources"][0], s["endpoints"][0]
assert s["healthy"] and src["read"] == src["acknowledged"] + src["rejected"] + src["dropped"] + src["in_flight"], s
assert end["sent_entries"] == 60 and end["sent_bytes"] > 0, s' && pass "status: JSON that adds up" || fail "status --json"

# While it runs.
prove "reset" positions reset "$b"
wait_for "$DEADLINE" "b is read again from its start" stored_least 160 '{job="pos"}'
arrived '{job="pos"}' b 100
prove "set to 0" positions set "$a" 0
wait_for "$DEADLINE" "a is complete" stored_least 200 '{job="pos"}'
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "with every line" distinct "$a" 100
prove "an unknown path cannot be reset" fails 1 "nothing is known" positions reset "$work/logs/nowhere"

# Changes under load lose nothing: what is set is where longship is already.
watch ship
for i in $(seq 1 20); do
	lines "$a" a $((100 * i)) 100
	[ $((i % 2)) = 0 ] || positions set "$b" "$(stat -c %s "$b")" >/dev/null || fail "set under load"
	[ $((i % 5)) != 0 ] || positions import "$work/positions.yaml" >/dev/null || fail "import under load"
done
wait_for "$DEADLINE" "all of a arrives" stored_least 2200 '{job="pos"}'
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
wait_for "$DEADLINE" "all is read" metric_is 0 ship longship_source_lag_bytes
prove "every line of a is there" distinct "$a" 2100
watched ship

# A loki that is away shows.
faults '{"times": -1, "refuse": 503}'
lines "$b" b 100 10
wait_for "$DEADLINE" "status tells the error and who is behind" sh -c "'$LONGSHIP' status --storage.path='$work/ship' |
	grep -q '503' && '$LONGSHIP' status --storage.path='$work/ship' | grep -q '^$b'"
no_faults
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
wait_for "$DEADLINE" "all is read" metric_is 0 ship longship_source_lag_bytes

prove "hostile requests do no harm" python3 - "$work/ship/control.sock" <<'END'
import json, os, socket, sys
os.chdir(os.path.dirname(sys.argv[1]))
def ask(data, half=False):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect("control.sock")
    if half:
        s.sendall(data)
        return s
    try:
        s.sendall(data)
        got = b""
        while (part := s.recv(65536)):
            got += part
        return got
    except ConnectionError:
        return b""
for data in (b"\n", b"{}\n", b"[]\n", b"nonsense\n", b'{"command":5}\n', b"\xff\x00\n", b'{"command":"positions.change"}\n',
             b'{"command":"positions.change","changes":[{}]}\n', b'{"command":"positions.change","changes":[5]}\n',
             b'{"command":"positions.change","changes":[{"component":"a|b","path":"/x","kind":"offset"}]}\n',
             b'{"command":"positions.change","changes":[{"component":"loki.write.w","path":"/x","kind":"offset"}]}\n',
             b"[" * 100000 + b"\n"):
    assert b'"error"' in ask(data), data[:80]
assert json.loads(ask(b'{"command":"positions.list","part":7,"parts":3}\n').splitlines()[-1])["streams"] > 0
ask(b"x" * (20 << 20))
held = [ask(b'{"comm', True) for _ in range(10)]
for s in held:
    s.close()
assert b'"version"' in ask(b'{"command":"status"}\n')
END
prove "longship lives" alive ship

# Out again, as Promtail and Alloy want it.
prove "export for Alloy" positions export --format=alloy "$work/alloy.yml"
grep -qF "labels: '{job=\"pos\"}'" "$work/alloy.yml" && pass "with labels" || fail "no labels in $(cat "$work/alloy.yml")"
before=$(positions export --format=promtail)
ship_stop ship
prove "the socket goes with longship" test ! -e "$work/ship/control.sock"
prove "the same from the store alone" is "$(positions export --format=promtail)" "$before"

# A socket that kill -9 left behind.
ship_again ship
ship_kill ship
prove "kill -9 leaves the socket" test -S "$work/ship/control.sock"
prove "which is in nobody's way" positions list
ship_again ship
prove "and is replaced" status
ship_stop ship

# legacy_positions_file, once.
printf 'positions:\n  %s: "%s"\n  %s: soon\n' "$a" "$(stat -c %s "$a")" "$b" >"$work/positions.yaml"
curl -fsS -X POST "$LOKI/_reset"
config "legacy_positions_file = \"$work/positions.yaml\"
	on_positions_file_error = \"restart_from_end\"" >"$work/legacy.alloy"
ship_start legacy "$work/legacy.alloy"
lines "$a" a 2100 5
lines "$b" b 110 5
wait_for "$DEADLINE" "only new lines arrive" stored_least 10 '{job="pos"}'
wait_for "$DEADLINE" "all is settled" metric_is 0 legacy longship_entries_in_flight
prove "nothing that was shipped before" is "$(stored '{job="pos"}')" 10
ship_stop legacy
ship_again legacy
lines "$a" a 2105 5
wait_for "$DEADLINE" "new lines arrive" stored_least 15 '{job="pos"}'
prove "the legacy file does not count a second time" is "$(stored '{job="pos"}')" 15
ship_stop legacy
config "legacy_positions_file = \"$work/logs\"" >"$work/legacy.alloy"
prove "one that cannot be read stops the start" fails 1 "refusing to start" "$LONGSHIP" run --storage.path="$work/s3" \
	--server.http.listen-addr="127.0.0.1:$(free_port)" "$work/legacy.alloy"
