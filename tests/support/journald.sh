# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For scenarios, behind lib.sh: a real systemd-journald of the scenario's own, in a mount namespace, and journal files made by
# systemd-journal-remote. Needs root and both programs; a scenario is skipped without them.

journald_bin=/lib/systemd/systemd-journald
remote_bin=/lib/systemd/systemd-journal-remote

need_journald() {
	[ "$(id -u)" = 0 ] || skip "journald runs as root only"
	[ -x $journald_bin ] && command -v journalctl >/dev/null || skip "there is no systemd-journald here"
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
}
need_remote() { [ -x $remote_bin ] || skip "there is no systemd-journal-remote here"; }

# journald_start [LINE of journald.conf...]: sets JOURNAL, the directory of its files. With JOURNALD_VOLATILE=1 it begins in /run, until
# journald_flush.
journald_start() {
	journald_dir=$work/journald
	JOURNAL=$journald_dir/files
	mkdir -p "$JOURNAL" "$journald_dir/run"
	# It removes what it has moved from a memory file system only.
	[ -z "${JOURNALD_VOLATILE:-}" ] || mount -t tmpfs tmpfs "$journald_dir/run"
	mkdir -p "$journald_dir/run/systemd/journal" "$journald_dir/run/log/journal"
	printf '%s\n' '[Journal]' Storage=persistent ReadKMsg=no Audit=no RateLimitIntervalSec=0 SyncIntervalSec=1s "$@" >"$journald_dir/conf"
	# /run is its own, and says that /var has been there all the time.
	unshare -m --propagation private sh -ec '
		mkdir -p /var/log/journal
		mount --bind "$1/files" /var/log/journal
		touch /etc/systemd/journald.conf
		mount --bind "$1/conf" /etc/systemd/journald.conf
		mount --bind "$1/run" /run
		[ -n "$3" ] || touch /run/systemd/journal/flushed
		exec "$2"' sh "$journald_dir" $journald_bin "${JOURNALD_VOLATILE:-}" >"$work/journald.log" 2>&1 </dev/null &
	journald_pid=$!
	wait_for 20 "journald listens" test -S "$journald_dir/run/systemd/journal/stdout"
}

journald_stop() {
	[ -n "${journald_pid:-}" ] || return 0
	kill -TERM "$journald_pid" 2>/dev/null
	wait_for 20 "journald ends" gone "$journald_pid"
	wait "$journald_pid" 2>/dev/null
	journald_pid=
}
# For cleanup().
journald_end() {
	[ -z "${namespace_pid:-}" ] || stop_pid "$namespace_pid"
	[ -z "${journald_pid:-}" ] || stop_pid "$journald_pid"
	[ -z "${JOURNALD_VOLATILE:-}" ] || umount -l "$journald_dir/run"
}

# From /run to /var.
journald_flush() {
	kill -USR1 "$journald_pid"
	wait_for 20 "journald has moved to /var" journald_active
}

# journald_inside COMMAND...: where journald's directories are those of the machine.
journald_inside() { nsenter -t "$journald_pid" -m -- "$@"; }
# longship_inside: from now on longship runs there.
longship_inside() {
	printf '#!/bin/sh\nexec nsenter -t %s -m -- %s "$@"\n' "$journald_pid" "$(readlink -f "$LONGSHIP")" >"$work/inside"
	chmod 755 "$work/inside"
	LONGSHIP=$work/inside
}

# journald_namespace NAME: another journald, for a namespace of journals. in_namespace NAME journald_write … writes to it.
journald_namespace() {
	journald_inside $journald_bin "$1" >"$work/journald-$1.log" 2>&1 </dev/null &
	namespace_pid=$!
	wait_for 20 "the journald of $1 listens" test -S "$journald_dir/run/systemd/journal.$1/stdout"
}
in_namespace() {
	local name=$1
	shift
	JOURNALD_SOCKET=$journald_dir/run/systemd/journal.$name/stdout JOURNALCTL_DIR=$(echo "$journald_dir"/files/*."$name") "$@"
}

# journald_write UNIT [PRIORITY [UID]] <lines: one stream, as of a service whose output goes to the journal. Returns when they are in it.
# Where journald knows no sender, an entry has no unit. So the rest of the head goes when journald has read its first line (before, it may
# not have asked the kernel yet who sends), the lines when it has read the head, and the writer lives until they are written.
journald_write() {
	if ! python3 -c '
import fcntl, os, socket, struct, subprocess, sys, termios, time
end = time.monotonic() + 60
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect(sys.argv[1])
def send_and_wait(text):
    s.sendall(text.encode())
    while struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"0000"))[0] > 0 and time.monotonic() < end:
        time.sleep(0.005)
send_and_wait(sys.argv[3].split(".")[0] + "\n")
send_and_wait("%s\n%s\n0\n0\n0\n0\n" % (sys.argv[3], sys.argv[4]))
os.setresuid(int(sys.argv[5]), int(sys.argv[5]), 0)
last = b""
while True:
    data = sys.stdin.buffer.read1(65536)
    if not data:
        break
    s.sendall(data)
    last = (last + data)[-65536:]
os.setresuid(0, 0, 0)
last = last.rstrip(b"\n").rpartition(b"\n")[2]
newest = ["journalctl", "-q", "-D", sys.argv[2], "_SYSTEMD_UNIT=" + sys.argv[3], "-n", "1", "-o", "cat"]
while subprocess.run(newest, capture_output=True).stdout.rstrip(b"\n") != last:
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.02)
' "${JOURNALD_SOCKET:-$journald_dir/run/systemd/journal/stdout}" "${JOURNALCTL_DIR:-$JOURNAL}" "$1" "${2:-6}" "${3:-0}"; then
		fail "journald has written the lines of $1: not within 60 s"
		exit 1
	fi
}

# SIGUSR2 rotates; journald has done it when its active file is another (between the two there is none).
journald_rotate() {
	journald_before=$(journald_active)
	kill -USR2 "$journald_pid"
	wait_for 20 "journald has rotated" journald_rotated
}
journald_active() { stat -c %i "$JOURNAL"/*/system.journal 2>/dev/null; }
journald_rotated() {
	local now
	now=$(journald_active) && [ "$now" != "$journald_before" ]
}
journald_sync() { kill -s RTMIN+1 "$journald_pid"; }
# journald_vacuum N: removes all but N archived files.
journald_vacuum() { journalctl -q -D "$JOURNAL" --vacuum-files="$1" >/dev/null 2>&1; }

# journal_made FILE <export format: makes it, or appends to it.
journal_made() { $remote_bin -o "$1" - >"$work/remote.log" 2>&1; }

# export_lines UNIT [FROM_US [FIELD=VALUE...]] <lines: as export format, one microsecond apart.
export_lines() {
	python3 -c '
import sys, time
at = int(sys.argv[2]) or int(time.time() * 1e6)
more = "".join(a + "\n" for a in sys.argv[3:])
for i, line in enumerate(sys.stdin):
    sys.stdout.write("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n_SYSTEMD_UNIT=%s\nPRIORITY=6\n%sMESSAGE=%s\n\n"
                     % (at + i, at + i - 1600000000000000, 0xb007, sys.argv[1], more, line.rstrip("\n")))
' "$1" "${2:-0}" "${@:3}"
}

# journal_block [further arguments]: loki.source.journal "j" of JOURNAL, forwarding to loki.write.w.
journal_block() {
	cat <<-END
		loki.source.journal "j" {
			path          = "$JOURNAL"
			max_age       = "1000h"
			relabel_rules = discovery.relabel.journal.rules
			forward_to    = [loki.write.w.receiver]
			${1:-}
		}
		discovery.relabel "journal" {
			targets = []
			rule {
				source_labels = ["__journal__systemd_unit"]
				target_label  = "unit"
			}
		}
	END
}
