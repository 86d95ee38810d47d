#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: address thread
. "$(dirname "$0")/../support/lib.sh"
. "$(dirname "$0")/../support/journald.sh"
scenario "journal files: cut under the reader, every format of this libsystemd, clocks that jump"
need_remote
receiver
JOURNAL=$work/journal
this_boot=$(tr -d - </proc/sys/kernel/random/boot_id)
log_has() { grep -q "$1" "$work/ship.log"; }
fresh() {
	rm -rf "$JOURNAL" "$work/ship"
	mkdir -p "$JOURNAL" "$work/made"
}
cat >"$work/ship.alloy" <<END
$(journal_block)
$(write_block w)
END

# made FILE STREAM COUNT [REALTIME-SECONDS BOOT MONOTONIC-SECONDS [ENVIRONMENT…]]: a journal file of lines, a millisecond apart
made() {
	local file=$1 stream=$2 count=$3 at=${4:-$(date +%s)} boot=${5:-0000000000000000000000000000b007} mono=${6:-1000}
	shift $(($# < 6 ? $# : 6))
	[ -s "$work/$stream.txt" ] || lines "$work/$stream.txt" "$stream" 0 "$count"
	python3 -c '
import sys
stream, at, boot, mono, pad = sys.argv[1], int(float(sys.argv[2]) * 1e6), sys.argv[3], int(float(sys.argv[4]) * 1e6), int(sys.argv[5])
for i, line in enumerate(sys.stdin):
    sys.stdout.write("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_SYSTEMD_UNIT=%s.service\nPAD=%s\nMESSAGE=%s\n\n"
                     % (at + i * 1000, mono + i * 1000, boot, stream, "x" * pad, line.rstrip("\n")))
' "$stream" "$at" "$boot" "$mono" "${PAD:-0}" <"$work/$stream.txt" >"$work/export.txt"
	env "$@" $remote_bin -o "$file" - <"$work/export.txt" >"$work/remote.log" 2>&1
}
all() {
	wait_for "$DEADLINE" "$1: all arrive" stored_least "$2" "{unit=\"$1.service\"}"
	arrived "{unit=\"$1.service\"}" "$1" "$2"
}

say "a mapped file is cut under the reader"
fresh
made "$JOURNAL/cut.journal" cut 40000
ship_start ship "$work/ship.alloy" --memory.budget=2MiB
wait_for "$DEADLINE" "it reads" stored_least 1 '{unit="cut.service"}'
faults '{"times": -1, "refuse": 503}'
ship_stop ship
rm -rf "$work/ship"
ship_again ship
# The reader waits with the file mapped: it has read what longship takes while Loki is away.
full() { [ "$(metric ship longship_entries_in_flight)" -gt 1000 ] && before=$(metric ship longship_entries_read_total) && sleep 0.3 &&
	[ "$(metric ship longship_entries_read_total)" = "$before" ]; }
wait_for "$DEADLINE" "it is full" full
truncate -s 262144 "$JOURNAL/cut.journal"
no_faults
wait_for "$DEADLINE" "the log tells of it" log_has 'a journal file was cut while it was read'
made "$JOURNAL/whole.journal" whole 300 "$(($(date +%s) + 60))"
all whole 300
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "the reader has lived through SIGBUS" metric_is 0 ship longship_journal_reader_restarts_total
prove "the file is counted as damaged" metric_least 1 ship longship_journal_corrupt_entries_total
prove "longship still says that it is healthy" curl -fsS "${ship_url[ship]}/-/healthy"
ship_stop ship

say "every format that this libsystemd writes"
fresh
PAD=2000 made "$JOURNAL/keyed.journal" keyed 200 "" "" "" SYSTEMD_JOURNAL_KEYED_HASH=1
PAD=2000 made "$JOURNAL/jenkins.journal" jenkins 200 "" "" "" SYSTEMD_JOURNAL_KEYED_HASH=0
PAD=0 made "$JOURNAL/compact.journal" compact 200 "" "" "" SYSTEMD_JOURNAL_COMPACT=1
PAD=0 made "$JOURNAL/regular.journal" regular 200 "" "" "" SYSTEMD_JOURNAL_COMPACT=0
# XZ and LZ4 are no longer written: the large field of every entry, which is one object, is packed anew by hand.
made "$work/made/xz.journal" xz 200
made "$work/made/lz4.journal" lz4 200
repack() {
	python3 - "$1" "$2" <<'END'
import lzma, struct, sys
path, codec = sys.argv[1:]
with open(path, "rb") as f:
    data = bytearray(f.read())
at = struct.unpack_from("<Q", data, 88)[0]
done, head = 0, 64
while at + 16 <= len(data):
    kind, size = data[at], struct.unpack_from("<Q", data, at + 8)[0]
    if size == 0:
        break
    payload = bytes(data[at + head:at + size])
    if kind == 1 and data[at + 1] == 0 and payload.startswith(b"PACKED="):
        if codec == "xz":
            packed, flag = lzma.compress(payload, format=lzma.FORMAT_XZ, check=lzma.CHECK_NONE), 1
        else:
            first = payload[:8]
            rest = len(payload) - 8 - 12 - 4 - 15
            match = b""
            while rest >= 255:
                match, rest = match + b"\xff", rest - 255
            match += bytes([rest])
            packed = struct.pack("<Q", len(payload)) + b"\x8f" + first + struct.pack("<H", 1) + match + b"\xc0" + payload[-12:]
            flag = 2
        assert len(packed) < len(payload), (len(packed), len(payload))
        data[at + 1] = flag
        struct.pack_into("<Q", data, at + 8, head + len(packed))
        data[at + head:at + head + len(packed)] = packed
        done += 1
        data[12] |= flag
    at += (size + 7) // 8 * 8
assert done == 1, done
with open(path, "wb") as f:
    f.write(data)
END
}
sed -i 's/^PAD=.*/PACKED='"$(printf 'y%.0s' $(seq 450))"'/' "$work/export.txt"
for codec in xz lz4; do
	rm "$work/made/$codec.journal"
	sed -i "s/^_SYSTEMD_UNIT=.*/_SYSTEMD_UNIT=$codec.service/" "$work/export.txt"
	python3 -c '
import sys
lines = iter(open(sys.argv[1]))
for row in open(sys.argv[2]):
    sys.stdout.write("MESSAGE=" + next(lines) if row.startswith("MESSAGE=") else row)
' "$work/$codec.txt" "$work/export.txt" >"$work/export.$codec"
	env SYSTEMD_JOURNAL_COMPACT=0 $remote_bin -o "$work/made/$codec.journal" - <"$work/export.$codec" >"$work/remote.log" 2>&1
	repack "$work/made/$codec.journal" $codec
	mv "$work/made/$codec.journal" "$JOURNAL/"
done
sed "s|max_age |format_as_json = true\n\tmax_age |" "$work/ship.alloy" >"$work/json.alloy"
ship_start ship "$work/ship.alloy"
for stream in keyed jenkins compact regular xz lz4; do all $stream 200; done
prove "none is damaged" metric_is 0 ship longship_journal_corrupt_entries_total
ship_stop ship
rm -rf "$work/ship"
# As JSON all fields stand in the line, the packed one, too.
ship_start ship "$work/json.alloy"
for codec in xz lz4; do
	wait_for "$DEADLINE" "$codec is unpacked" stored_least 200 "{unit=\"$codec.service\"} |= \"PACKED\\\":\\\"$(printf 'y%.0s' $(seq 450))\""
done
pass "what is packed by xz and lz4 is unpacked"
ship_stop ship

say "a clock that was set back while the machine was off, after an unclean end"
fresh
now=$(date +%s)
made "$JOURNAL/old.journal" old 500 "$now" 0000000000000000000000000000b007 5000
ship_start ship "$work/ship.alloy"
all old 500
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
ship_stop ship
made "$JOURNAL/boot.journal" back 500 "$((now - 20 * 3600))" "$this_boot" 1
ship_again ship
all back 500
say "it is set right while longship runs, and back again"
made "$JOURNAL/boot.journal" right 300 "$((now + 5))" "$this_boot" 100
all right 300
made "$JOURNAL/boot.journal" again 300 "$((now - 10 * 3600))" "$this_boot" 200
all again 300
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
prove "nothing was read twice" metric_is 1100 ship longship_entries_read_total
ship_stop ship
