#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
# not under: thread address
. "$(dirname "$0")/../support/lib.sh"
files=${MANY_FILES:-20000}
scenario "$files files, of which few are written at a time: descriptors, memory, how soon a line is read, quiet when nothing happens"
receiver --max-streams 1000000
wait_ms=100
cat >"$work/ship.alloy" <<END
local.file_match "logs" {
	path_targets = [{"__path__" = "$work/logs/*/*.log", "job" = "many"}]
}
loki.source.file "f" {
	targets    = local.file_match.logs.targets
	forward_to = [loki.write.w.receiver]
}
loki.write "w" {
	endpoint {
		url        = "$LOKI/loki/api/v1/push"
		tenant_id  = "$tenant"
		batch_wait = "${wait_ms}ms"
	}
}
END

# make FROM COUNT TEXT: a line for each file; 1,000 files a directory.
make() {
	python3 - "$work/logs" "$@" <<'END'
import os
import sys

logs, first, count, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for i in range(first, first + count):
    folder = f"{logs}/app-{i // 1000:03d}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/service-{i:06d}.log", "a") as file:
        file.write(f"{text} {i}\n")
END
}
descriptors() { find "/proc/${ship_pid[ship]}/fd" -mindepth 1 2>/dev/null | wc -l; }
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${ship_pid[ship]}/stat"; }
few_open() { [ "$(descriptors)" -lt 300 ]; }
# Ticks of processor time in ten seconds.
quiet_ticks() {
	local before
	before=$(ticks)
	sleep 10
	echo $(($(ticks) - before))
}
# soon FILE…: appends a line to each in turn; the least milliseconds until it was read, and until it was stored.
soon() {
	python3 - "${ship_url[ship]}" "$@" <<'END'
import sys
import time
import urllib.request

url, read, stored = sys.argv[1], [], []


def value(name):
    with urllib.request.urlopen(url + "/metrics") as page:
        return sum(float(line.split()[-1]) for line in page.read().decode().splitlines() if line.startswith(name + "{"))


def wait(name, least, start):
    while value(name) < least:
        if time.monotonic() - start > 30:
            sys.exit(f"{name} stays under {least}")
        time.sleep(0.002)
    return round((time.monotonic() - start) * 1000)


for path in sys.argv[2:]:
    before = value("longship_entries_read_total")
    start = time.monotonic()
    with open(path, "a") as file:
        file.write("soon\n")
    read.append(wait("longship_entries_read_total", before + 1, start))
    stored.append(wait("longship_entries_acknowledged_total", before + 1, start))
print(min(read), min(stored))
END
}

make 0 "$files" first
started=$(date +%s%N)
ship_start ship "$work/ship.alloy"
say "ready after $((($(date +%s%N) - started) / 1000000)) ms"
wait_for 300 "a line of each file arrives" metric_is "$files" ship longship_entries_acknowledged_total
say "all read after $((($(date +%s%N) - started) / 1000000)) ms"
wait_for 30 "few files are open" few_open
prove "few descriptors" between 0 "$(descriptors)" 299
read -r private resident < <(probe memory "${ship_pid[ship]}")
say "private $private KiB, resident $resident KiB"

ship_stop ship
started=$(date +%s%N)
ship_again ship
say "ready again after $((($(date +%s%N) - started) / 1000000)) ms"
wait_for 30 "all are followed" metric_is "$files" ship loki_source_file_files_active_total
prove "few descriptors after a restart" between 0 "$(descriptors)" 299
read -r private resident < <(probe memory "${ship_pid[ship]}")
prove "resident memory under 16 MiB and 240 bytes a file" between 0 "$resident" $(((16 << 10) + files * 240 / 1024))
prove "quiet: less than 1 % of a processor" between 0 "$(quiet_ticks)" "$(($(getconf CLK_TCK) / 10 - 1))"

old=() new=()
for i in 1 2 3 4 5; do
	old+=("$work/logs/app-000/service-00000$i.log")
	new+=("$work/logs/app-001/new-$i.log")
done
read -r read_ms stored_ms < <(soon "${old[@]}")
prove "a line of a quiet file is read within 250 ms" between 0 "$read_ms" 250
prove "and stored within batch_wait + 250 ms" between 0 "$stored_ms" $((wait_ms + 250))
read -r read_ms stored_ms < <(soon "${new[@]}")
prove "a line of a new file is read within 250 ms" between 0 "$read_ms" 250
prove "and stored within batch_wait + 250 ms" between 0 "$stored_ms" $((wait_ms + 250))

make 0 100 second
wait_for 60 "100 files are written" metric_is 110 ship longship_entries_read_total
prove "100 active: few descriptors" between 0 "$(descriptors)" 299
wait_for 60 "all is settled" metric_is 0 ship longship_entries_in_flight
read -r private resident < <(probe memory "${ship_pid[ship]}")
prove "100 active: resident memory under 17 MiB and 240 bytes a file" between 0 "$resident" $(((17 << 10) + files * 240 / 1024))

# A burst of new files costs as much for each as one does.
burst=$((files / 10))
before=$(ticks)
for ((i = 0; i < burst; i++)); do
	echo "burst $i" >"$work/logs/app-002/burst-$i.log"
done
wait_for 120 "the lines of $burst new files" metric_is $((burst + 110)) ship longship_entries_acknowledged_total
prove "less than 1 ms of a processor for each of them" between 0 $((($(ticks) - before) * 1000 / $(getconf CLK_TCK))) "$burst"
prove "each line is stored" stored_is $((files + burst + 110)) '{job="many"}'
ship_stop ship

# No watch to be had: the same by polling. The limit is that of a user namespace.
if unshare -Ur true 2>/dev/null; then
	cat >"$work/few" <<END
#!/bin/sh
exec unshare -Ur sh -c 'echo 2 >/proc/sys/user/max_inotify_watches; exec "\$@"' sh "$LONGSHIP" "\$@"
END
	chmod +x "$work/few"
	before=$LONGSHIP LONGSHIP=$work/few
	make 0 1 third
	ship_again ship
	LONGSHIP=$before
	wait_for 60 "a line is read by polling" metric_is 1 ship longship_entries_acknowledged_total
	prove "directories are polled" metric_least 1 ship longship_source_directories_polled
	prove "one warning says what to raise" is "$(grep -c 'raise fs.inotify.max_user_watches' "$work/ship.log")" 1
	make 5000 1 fourth
	wait_for 60 "another one" metric_is 2 ship longship_entries_acknowledged_total
	ship_stop ship
else
	say "no user namespaces here: polling is not shown"
fi
