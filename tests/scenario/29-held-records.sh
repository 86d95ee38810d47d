#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "blocks of lines and parts of container records stay whole across batches, rotation, restart, reload and kill"
receiver
mkdir -p "$work/logs"
count=${HELD_RECORDS:-1200}
epoch=$(date +%s)
multi=$work/logs/multi.log cri=$work/logs/cri.log

cat >"$work/ship.alloy" <<END
loki.source.file "multi" {
	targets    = [{"__path__" = "$multi", "job" = "held", "kind" = "multi"}]
	forward_to = [loki.process.multi.receiver]
}

loki.process "multi" {
	forward_to = [loki.write.w.receiver]

	stage.multiline { firstline = "^run=" }

	stage.replace {
		expression = "(\n)"
		replace    = ""
	}
}

loki.source.file "cri" {
	targets    = [{"__path__" = "$cri", "job" = "held", "kind" = "cri"}]
	forward_to = [loki.process.cri.receiver]
}

loki.process "cri" {
	forward_to = [loki.write.w.receiver]

	stage.cri { }
}
$(write_block w)
END

# A writer that stops within records, and rotates both files wherever it stands. A record is one line of the oracle in pieces:
# as lines of a block, or as parts of two container streams that alternate.
cat >"$work/write.py" <<'END'
import datetime
import os
import random
import sys
import time
import zlib

multi, cri, run, first, count, rotate = sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7])
rng = random.Random(run + str(first))
files = {path: open(path, "a") for path in (multi, cri)}
epoch = datetime.datetime.utcfromtimestamp(int(sys.argv[7]))
rotated = {path: time.monotonic() for path in files}


def pieces(stream, seq):
    head = f"run={run} stream={stream} seq={seq:09d} pad={'x' * rng.randrange(200)}"
    text = f"{head} crc={zlib.crc32(head.encode()):08x}"
    cuts = sorted(rng.sample(range(40, len(text)), rng.randrange(5)))
    return [text[a:b] for a, b in zip([0] + cuts, cuts + [len(text)])]


def container(stream, seq, text):
    made, all_of = [], pieces(stream, seq)
    for k, piece in enumerate(all_of):
        at = epoch + datetime.timedelta(milliseconds=seq, microseconds=k)
        made.append(f"{at.isoformat(timespec='microseconds')}Z {text} {'F' if k + 1 == len(all_of) else 'P'} {piece}\n")
    return made


def put(path, lines):
    for line in lines:
        files[path].write(line)
        if rng.random() < 0.05:
            files[path].flush()
            time.sleep(0.02)
        if rotate and time.monotonic() - rotated[path] > 0.2:
            rotated[path] = time.monotonic()
            files[path].close()
            os.rename(path, f"{path}.{time.monotonic_ns()}")
            files[path] = open(path, "a")


for seq in range(first, first + count):
    put(multi, [piece + "\n" for piece in pieces("m", seq)])
    out, err = container("o", seq, "stdout"), container("e", seq, "stderr")
    mixed = []
    while out or err:
        source = out if out and (not err or rng.random() < 0.5) else err
        mixed.append(source.pop(0))
    put(cri, mixed)
for file in files.values():
    file.close()
END

at_least() { stored_least "$2" "{job=\"held\", kind=\"$1\"}"; }
all_arrive() {
	wait_for "$DEADLINE" "all blocks arrive" at_least multi "$1"
	wait_for "$DEADLINE" "all container records arrive" at_least cri $((2 * $1))
	wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
}

# As long as there is more to come.
more() { stored_least "$1" '{job="held"}' || gone "$writer"; }
all_are() {
	arrived '{job="held", kind="multi"}' m "$1"
	arrived '{job="held", kind="cri", stream="stdout"}' o "$1"
	arrived '{job="held", kind="cri", stream="stderr"}' e "$1"
}

say "files are rotated within records"
ship_start ship "$work/ship.alloy"
python3 "$work/write.py" "$multi" "$cri" "$run" 0 "$count" 1 "$epoch"
all_arrive "$count"
all_are "$count"

say "longship is reloaded and stopped within records"
python3 "$work/write.py" "$multi" "$cri" "$run" "$count" "$count" 0 "$epoch" &
writer=$!
resent=$(metric ship longship_entries_resent_total)
for _ in 1 2 3; do
	now=$(stored '{job="held"}')
	wait_for "$DEADLINE" "more arrives" more $((now + 100))
	prove "it reloads" is "$(reload ship)" 200
	now=$(stored '{job="held"}')
	wait_for "$DEADLINE" "more arrives" more $((now + 100))
	resent=$((resent + $(metric ship longship_entries_resent_total)))
	ship_stop ship
	ship_again ship
done
wait "$writer"
all_arrive $((2 * count))
resent=$((resent + $(metric ship longship_entries_resent_total)))
prove "nothing was sent again" is "$resent" 0
all_are $((2 * count))

say "longship is killed anywhere, while files are rotated anywhere"
python3 "$work/write.py" "$multi" "$cri" "$run" $((2 * count)) "$count" 1 "$epoch" &
writer=$!
kills=0
until gone "$writer"; do
	sleep "0.$((RANDOM % 90 + 10))"
	ship_kill ship
	kills=$((kills + 1))
	ship_start_only ship "$work/ship.alloy"
done
wait "$writer"
wait_for "$DEADLINE" "longship is ready" ship_ready ship
prove "longship was killed" between 5 "$kills" 1000
all_arrive $((3 * count))
all_are $((3 * count))
ship_stop ship
