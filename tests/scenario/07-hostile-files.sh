#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "hostile files: garbage, a line without end, invalid UTF-8, NUL bytes, unreadable, a directory, vanished"
receiver

cat >"$work/ship.alloy" <<END
local.file_match "m" {
	path_targets = [{"__path__" = "$work/logs/*", "job" = "hostile"}]
	sync_period  = "1s"
}
loki.source.file "f" {
	targets    = local.file_match.m.targets
	forward_to = [loki.process.p.receiver]
}
loki.process "p" {
	forward_to = [loki.write.w.receiver]
	stage.json   { expressions = {level = "level", deep = "a.b[0].c"} }
	stage.logfmt { mapping = {seq = ""} }
	stage.regex  { expression = "^(?P<first>\\\\S+) " }
	stage.drop   { expression = "never-in-here" }
}
$(write_block w)
END

head -c 3000000 /dev/urandom >"$work/logs/garbage.bin"
head -c 10485760 /dev/zero | tr '\0' 'x' >"$work/logs/endless"
python3 - "$work/logs" <<'END'
import sys
top = sys.argv[1]
with open(top + "/invalid", "wb") as f:
    for i in range(1000):
        f.write(b"bad \xff\xfe\xc0\x80 \xed\xa0\x80 %d\n" % i)
with open(top + "/nul", "wb") as f:
    for i in range(1000):
        f.write(b"nul \0\0 %d \0\n" % i)
with open(top + "/empty-lines", "wb") as f:
    f.write(b"\n" * 5000 + b"\r\n" * 5000)
with open(top + "/deep.json", "wb") as f:
    for opener in (b"[", b"{\"a\":", b"{\"a\":["):
        f.write(opener * 20000 + b"\n")
    f.write(b'{"level":"' + b"\\ud800" * 1000 + b'"}\n')
END
echo secret >"$work/logs/unreadable"
chmod 000 "$work/logs/unreadable"
mkdir "$work/logs/directory"
mkfifo "$work/logs/fifo"
ln -s "$work/logs/loop" "$work/logs/loop"
ln -s /nowhere/at/all "$work/logs/dangling"
echo short-lived >"$work/logs/vanishes"

ship_start ship "$work/ship.alloy"
watch ship
rm "$work/logs/vanishes"
for i in 1 2 3 4 5 6 7 8; do
	echo "now you see me $i" >"$work/logs/blink$i"
	rm "$work/logs/blink$i"
done
lines "$work/logs/good" good 0 2000
wait_for "$DEADLINE" "healthy lines arrive beside all that" stored_least 2000 "{filename=\"$work/logs/good\"}"
arrived "{filename=\"$work/logs/good\"}" good 2000
wait_for "$DEADLINE" "lines that are not UTF-8 arrive" stored_least 1000 "{filename=\"$work/logs/invalid\"}"
wait_for "$DEADLINE" "lines with NUL bytes arrive" stored_least 1000 "{filename=\"$work/logs/nul\"}"
prove "NUL bytes are kept" is "$(probe lines "$LOKI" "$tenant" "{filename=\"$work/logs/nul\"}" | sed -n 1p | od -An -c | tr -d ' ')" \
	'nul\0\00\0\n'
wait_for "$DEADLINE" "everything is settled" metric_is 0 ship longship_entries_in_flight
prove "longship still runs" alive ship
prove "the line without end is within bounds" between 0 "$(metric ship longship_memory_used_bytes)" $((16 << 20))
[ "$(id -u)" = 0 ] || prove "the unreadable file is named" grep -aq 'unreadable' "$work/ship.log"
watched ship
ship_stop ship
