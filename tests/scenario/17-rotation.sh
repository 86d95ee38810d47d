#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "a file is renamed and made anew several times a second while it is written: every line once, in order"
receiver
mkdir -p "$work/logs"
count=60000
file=$work/logs/a.log

cat >"$work/ship.alloy" <<END
loki.source.file "f" {
	targets    = [{"__path__" = "$file", "job" = "rotation"}]
	forward_to = [loki.write.w.receiver]
}
$(write_block w)
END

# Before the first line: of what was rotated away before it ran for the first time longship knows nothing.
ship_start ship "$work/ship.alloy"

# Rotates by itself between its lines, so that no line is ever written to a file that nobody can see any more; the newest six
# generations stay.
python3 - "$file" "$run" "$count" >"$work/rotations" <<'END' &
import os
import sys
import time
import zlib

path, run, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
file, at, rotations = open(path, "w"), time.monotonic(), 0
for seq in range(count):
    head = f"run={run} stream=a seq={seq:09d} pad={'x' * 80}"
    file.write(f"{head} crc={zlib.crc32(head.encode()):08x}\n")
    if seq % 100 == 99:
        file.flush()
        time.sleep(0.005)
        if time.monotonic() - at > 0.15:
            os.rename(path, f"{path}.{rotations}")
            if rotations >= 6:
                os.unlink(f"{path}.{rotations - 6}")
            file.close()
            file, at, rotations = open(path, "w"), time.monotonic(), rotations + 1
file.close()
print(rotations)
END
writer=$!

watch ship
wait "$writer"
wait_for "$DEADLINE" "all lines arrive" stored_least "$count" '{job="rotation"}'
wait_for "$DEADLINE" "all lines are settled" metric_is 0 ship longship_entries_in_flight
watched ship
prove "the file was rotated" between 10 "$(cat "$work/rotations")" 1000
arrived '{job="rotation"}' a "$count"
prove "no line was sent again" is "$(metric ship longship_entries_resent_total)" 0
ship_stop ship
