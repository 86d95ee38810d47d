#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "the wal: what a pusher was told is taken arrives once, whatever happens to Loki, longship and the disk"
receiver
api_port=$(free_port)
other_port=$(free_port)
other=http://127.0.0.1:$other_port
other_pid=
cleanup() {
	[ -z "$other_pid" ] || stop_pid "$other_pid"
	! mountpoint -q "$work/tiny" || umount "$work/tiny"
}

# config NAME WAL [ENDPOINT]
config() {
	cat >"$work/$1.alloy" <<-END
		loki.source.api "in" {
			http {
				listen_address = "127.0.0.1"
				listen_port    = $api_port
			}
			use_incoming_timestamp = true
			labels                 = {job = "wal"}
			forward_to             = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url                = "$LOKI/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_wait         = "100ms"
				remote_timeout     = "2s"
				min_backoff_period = "50ms"
				max_backoff_period = "400ms"
			}
			${3:-}
			wal {
				enabled = true
				$2
			}
		}
	END
}

# The pusher pushes numbered lines, a hundred in each push, and goes on with the next ones when it was answered 204. It writes down how many those
# were. A push whose answer was cut off is sent again as it was, as every client does; one that is refused too, with `again`.
push_start() { # STREAM FROM COUNT [again]
	python3 - "$support" "$api_port" "$run" "$@" >"$work/pushed.$1" 2>>"$work/pusher.log" <<'END' &
import http.client, json, sys, time
sys.path.insert(0, sys.argv[1])
from oracle import make_lines
port, run, stream, first, count = int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6])
again = len(sys.argv) > 7
taken = first
while taken < first + count:
    n = min(100, first + count - taken)
    lines = [line.decode().rstrip("\n") for line in make_lines(run, stream, taken, n, 200)]
    values = [[str(time.time_ns() + i), line] for i, line in enumerate(lines)]
    body = json.dumps({"streams": [{"stream": {"stream": stream}, "values": values}]})
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status == 204:
                break
            print(answer.status, answer.headers.get("Retry-After"), text.strip(), file=sys.stderr, flush=True)
            if not again:
                sys.exit(0)
        except (OSError, http.client.HTTPException) as e:
            print("cut off:", repr(e), file=sys.stderr, flush=True)
        time.sleep(0.02)
    taken += n
    print(taken, flush=True)
END
	push_pid=$!
}
pushed() { tail -n 1 "$work/pushed.$1" 2>/dev/null | grep . || echo 0; }
pushed_least() { [ "$(pushed "$2")" -ge "$1" ]; }
push_ended() { gone "$push_pid"; }
push_all() { # STREAM FROM COUNT [again]
	push_start "$@"
	wait_for "$DEADLINE" "the pusher of $1 ends" push_ended
}
settled() { wait_for "$DEADLINE" "the wal of $1 is empty" metric_is 0 "$1" longship_wal_entries; }
dropped() { metric "$1" longship_entries_dropped_total component_id=loki.write.w; }

# ---- Loki is down, longship is killed

config ship ''
ship_start ship "$work/ship.alloy"
push_all a 0 1000
wait_for "$DEADLINE" "pushes arrive" stored_least 1000 '{stream="a"}'
faults '{"times": -1, "refuse": 503}'
push_start a 1000 19000 again
wait_for "$DEADLINE" "pushes are taken while Loki is down" pushed_least 6000 a
prove "nothing of it has arrived" is "$(stored '{stream="a"}')" 1000
ship_kill ship
ship_again ship
wait_for "$DEADLINE" "pushes are taken after a kill" pushed_least 12000 a
ship_kill ship
ship_again ship
wait_for "$DEADLINE" "and after another" pushed_least 14000 a
watch ship
prove "status shows what waits" grep -Eq '^loki\.write\.w +[0-9]+ +1073741824 +[0-9]{5}' <<<"$("$LONGSHIP" status --storage.path="$work/ship")"
wait_for "$DEADLINE" "the pusher ends" push_ended
no_faults
wait_for "$DEADLINE" "all of it arrives" stored_least 20000 '{stream="a"}'
settled ship
arrived '{stream="a"}' a 20000
watched ship
ship_kill ship
ship_again ship
push_all a 20000 100
wait_for "$DEADLINE" "it goes on" stored_least 20100 '{stream="a"}'
arrived '{stream="a"}' a 20100
prove "what was settled is not read again" between 100 "$(metric ship longship_entries_read_total component_id=loki.write.w)" 2100

# ---- Two endpoints, one of them dead

config ship '' "endpoint {
				name               = \"other\"
				url                = \"$other/loki/api/v1/push\"
				tenant_id          = \"$tenant\"
				batch_wait         = \"100ms\"
				remote_timeout     = \"2s\"
				min_backoff_period = \"50ms\"
				max_backoff_period = \"400ms\"
			}"
prove "a second endpoint by a reload" is "$(reload ship)" 200
push_all b 0 3000
wait_for "$DEADLINE" "the one that works is not held up" stored_least 3000 '{stream="b"}'
ship_kill ship
ship_again ship
push_all b 3000 1000
wait_for "$DEADLINE" "also after a kill" stored_least 4000 '{stream="b"}'
python3 "$support/fakeloki.py" --port "$other_port" "${fake_options[@]}" >>"$work/other.log" 2>&1 &
other_pid=$!
other_has() { [ "$(oracle count --loki "$other" --tenant "$tenant" --selector '{stream="b"}')" -ge 4000 ]; }
wait_for "$DEADLINE" "the other one gets its part when it is there" other_has
settled ship
arrived '{stream="b"}' b 4000
prove "4000 lines of b arrived once at the other" oracle check --loki "$other" --tenant "$tenant" --selector '{stream="b"}' --run "$run" --stream b --count 4000
ship_stop ship

# ---- Full: refused

config ship 'max_size = "1MiB"'
faults '{"times": -1, "refuse": 503}'
ship_start ship "$work/ship.alloy"
watch ship
push_all c 0 100000
full=$(pushed c)
prove "a full wal refuses" between 2000 "$full" 99000
prove "with 503 and Retry-After" grep -q '^503 1 ' "$work/pusher.log"
prove "its files keep within max_size" between 1 "$(du -bc "$work"/ship/loki.write.w/wal/*.wal | tail -n 1 | cut -f 1)" $((1 << 20))
prove "the log says it" grep -aq 'the wal is full: pushes are answered with 503' "$work/ship.log"
no_faults
settled ship
push_all c "$full" 500 again
wait_for "$DEADLINE" "what was taken arrives" stored_least $((full + 500)) '{stream="c"}'
arrived '{stream="c"}' c $((full + 500))
watched ship
ship_stop ship

# ---- Full: the oldest are dropped

config ship 'max_size = "1MiB"
				when_full = "drop_oldest"'
faults '{"times": -1, "refuse": 503}'
ship_start ship "$work/ship.alloy"
watch ship
push_all d 0 30000
prove "every push is taken" is "$(pushed d)" 30000
prove "what was dropped is counted" between 1000 "$(metric ship longship_entries_dropped_total component_id=loki.write.w reason=wal_full)" 29900
prove "and announced" grep -aq 'the wal is full: its oldest entries are dropped' "$work/ship.log"
no_faults
settled ship
others_arrived() { [ $(($(stored '{stream="d"}') + $(dropped ship))) = 30000 ]; }
wait_for "$DEADLINE" "the others arrive" others_arrived
pass "$(dropped ship) of 30000 were dropped and counted, the others arrived"
watched ship
ship_stop ship

# ---- The component goes, and comes back

faults '{"times": -1, "refuse": 503}'
config ship ''
ship_start ship "$work/ship.alloy"
push_all f 0 500
sed -i 's/loki\.write\.w\./loki.write.renamed./; s/loki\.write "w"/loki.write "renamed"/' "$work/ship.alloy"
prove "a reload with another name" is "$(reload ship)" 200
prove "the wal that is left is named" grep -aq 'a wal is left of a loki.write that is not in the configuration.*component=loki.write.w ' "$work/ship.log"
config ship ''
sed -i 's/enabled = true/enabled = false/' "$work/ship.alloy"
no_faults
prove "a reload with the old name, and the wal switched off" is "$(reload ship)" 200
wait_for "$DEADLINE" "what was in it is sent" stored_least 500 '{stream="f"}'
arrived '{stream="f"}' f 500
ship_stop ship

# ---- A full disk

if [ "$(id -u)" != 0 ] || ! mkdir "$work/tiny" || ! mount -t tmpfs -o size=2m longship-test "$work/tiny" 2>/dev/null; then
	say "no small tmpfs can be mounted here: the full disk is left out"
	exit 0
fi
config tiny ''
faults '{"times": -1, "refuse": 503}'
ship_start tiny "$work/tiny.alloy"
watch tiny
push_all e 0 100000
full=$(pushed e)
prove "a full disk refuses" between 2000 "$full" 99000
wait_for 10 "the log names the full disk" grep -aq 'the wal cannot be written.*No space left' "$work/tiny.log"
watched tiny
ship_kill tiny
ship_again tiny
watch tiny
no_faults
wait_for "$DEADLINE" "what was taken arrives" stored_least "$full" '{stream="e"}'
settled tiny
dd if=/dev/zero of="$work/tiny/filler" bs=1k 2>/dev/null
push_all e "$full" 300 again
wait_for "$DEADLINE" "with an empty wal pushes pass although the disk is full" stored_least $((full + 300)) '{stream="e"}'
rm "$work/tiny/filler"
wait_for 20 "the wal works again" metric_is 0 tiny longship_wal_failing
push_all e $((full + 300)) 300 again
wait_for "$DEADLINE" "and takes pushes" stored_least $((full + 600)) '{stream="e"}'
arrived '{stream="e"}' e $((full + 600))
watched tiny
ship_stop tiny
