#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh: one longship follows real log files of this machine, and one that this script writes, through a pipeline into
# a receiver, shows what arrives, and proves that each line which was read arrived once. Ends by itself; 0 when proven.
#
# The receiver is a second longship (loki.source.api to loki.echo), or with LOKI_URL=http://host:3100 a real Loki
# (LOKI_TENANT=... sets the tenant; curl is needed then). DEMO_SECONDS (8): how long the own file is written.
#
# Needs nothing but bash, awk and coreutils: /metrics is read through bash's /dev/tcp.
set -u

here=$(cd "$(dirname "$0")" && pwd)
LONGSHIP=${LONGSHIP:-$here/../../build/longship}
seconds=${DEMO_SECONDS:-8}
burst=100000         # lines of the own file that are there at once
per_tick=100         # and added in each tick of the live line after that
files_max=20
file_bytes_max=$((16 << 20))
work=$(mktemp -d "${TMPDIR:-/tmp}/longship-demo.XXXXXX")
own=$work/demo.log
id=d$$
pids=()

finish() {
	local status=$?
	trap - EXIT
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
	echo
	echo "FAILED: $*"
	tail -n 5 "$work"/*.log 2>/dev/null | cut -c 1-300 | grep -v '^$'
	exit 1
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 12000))
		listens $port || { echo $port; return; }
	done
}

# metrics PORT: the page of a longship of ours.
metrics() {
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET /metrics HTTP/1.0\r\nHost: demo\r\n\r\n' >&3
	cat <&3
	exec 3>&-
} 2>/dev/null

# sum NAME: of all its series on the page at standard input.
sum() { awk -v name="$1" 'index($0, name "{") == 1 || index($0, name " ") == 1 { n += $NF } END { printf "%d", n }'; }

start() {
	local name=$1 port=$2
	"$LONGSHIP" run --storage.path="$work/$name" --server.http.listen-addr="127.0.0.1:$port" "$work/$name.alloy" \
		>"$work/$name.log" 2>&1 &
	pids+=($!)
	local end=$((SECONDS + 10))
	until listens "$port"; do
		kill -0 "${pids[-1]}" 2>/dev/null && [ $SECONDS -lt $end ] || fail "the $name does not start"
		sleep 0.1
	done
}

# ---- what is followed

files=()
# Newest first. Only plain text, only what can be read.
while read -r file; do
	[ ${#files[@]} -lt $files_max ] || break
	case $file in *[!A-Za-z0-9._/+@-]*) continue ;; esac
	[ -s "$file" ] && [ -r "$file" ] && [ "$(stat -c %s "$file")" -le $file_bytes_max ] || continue
	head -c 4096 "$file" | LC_ALL=C grep -q $'[\x01-\x08\x0e-\x1a]' && continue
	files+=("$file")
done < <(find /var/log -maxdepth 2 -type f \( -name '*.log' -o -name syslog -o -name messages \) -printf '%T@ %p\n' 2>/dev/null |
	sort -rn | cut -d ' ' -f 2-)

write_own() {
	awk -v from="$1" -v n="$2" -v id="$id" 'BEGIN {
		split("debug info info info warn error", level, " ")
		for (i = from; i < from + n; i++)
			if (i % 2) printf "level=%s seq=%d run=%s msg=\"a line that the demo wrote\"\n", level[i % 6 + 1], i, id
			else printf "{\"level\":\"%s\",\"seq\":%d,\"run\":\"%s\",\"msg\":\"a line that the demo wrote\"}\n", level[i % 6 + 1], i, id
	}' >>"$own"
}

written=$burst
write_own 0 $burst
files+=("$own")

# ---- the receiver and the sender

ship_port=$(free_port)
if [ -n "${LOKI_URL:-}" ]; then
	command -v curl >/dev/null || fail "curl is needed to ask $LOKI_URL: sudo apt-get install -y curl"
	push_url=${LOKI_URL%/}/loki/api/v1/push
else
	in_port=$(free_port)
	receiver_port=$(free_port)
	push_url=http://127.0.0.1:$in_port/loki/api/v1/push
	cat >"$work/receiver.alloy" <<-END
		loki.source.api "in" {
			http {
				listen_address = "127.0.0.1"
				listen_port    = $in_port
			}
			use_incoming_timestamp = true
			forward_to             = [loki.echo.out.receiver]
		}
		loki.echo "out" { }
	END
	start receiver "$receiver_port"
	end=$((SECONDS + 10))
	until listens "$in_port"; do [ $SECONDS -lt $end ] || fail "the receiver does not listen"; sleep 0.1; done
fi

{
	cat <<-END
		loki.source.file "demo" {
			targets = [
	END
	for file in "${files[@]}"; do echo "		{\"__path__\" = \"$file\"},"; done
	cat <<-END
			]
			forward_to = [loki.process.demo.receiver]
		}

		loki.process "demo" {
			forward_to = [loki.write.demo.receiver]

			stage.json   { expressions = {level = ""} }
			stage.logfmt { mapping = {level = ""} }
			stage.regex  { expression = "^\\\\S+ \\\\S+ (?P<action>startup|install|upgrade|configure|status|remove|trigproc) " }
			stage.labels { values = {level = "", action = ""} }
			stage.static_labels { values = {demo = "$id"} }
		}

		loki.write "demo" {
			endpoint {
				url        = "$push_url"
				batch_wait = "200ms"
				${LOKI_TENANT:+tenant_id = \"$LOKI_TENANT\"}
			}
		}
	END
} >"$work/sender.alloy"

echo "following ${#files[@]} files:"
printf '  %s\n' "${files[@]}"
echo "into $push_url"
start sender "$ship_port"

# ---- live

newest() {
	[ -n "${receiver_port:-}" ] || return 0
	tail -n 1 "$work/receiver.log" | tr -d '\\' |
		sed -nE 's/.* entry="?(.*[^"])"? entry_timestamp=\S+ labels="(.*)" structured_metadata=.*/         \2 \1/p' | cut -c 1-160
}

begin=${EPOCHREALTIME/./} last_us=$begin last_lines=0 last_bytes=0 top=0
look() {
	local page now lines bytes us
	page=$(metrics "$ship_port")
	now=${EPOCHREALTIME/./}
	lines=$(sum longship_entries_acknowledged_total <<<"$page")
	bytes=$(sum loki_source_file_read_bytes_total <<<"$page")
	flight=$(sum longship_entries_in_flight <<<"$page")
	lag=$(sum longship_source_lag_bytes <<<"$page")
	us=$((now - last_us))
	rate=$(((lines - last_lines) * 1000000 / us))
	[ $rate -le $top ] || top=$rate
	printf '  %4.1f s  %8d lines arrived  %8d lines/s  %5d KiB/s  %6d in flight\n' "$(((now - begin) / 100000))e-1" \
		"$lines" $rate $(((bytes - last_bytes) * 1000000 / us / 1024)) "$flight"
	last_us=$now last_lines=$lines last_bytes=$bytes
}

end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
	write_own $written $per_tick
	written=$((written + per_tick))
	sleep 0.5
	look
	newest
done
end=$((SECONDS + 12))
until look && [ "$flight" = 0 ] && [ "$lag" = 0 ] && [ "$last_lines" -ge "$written" ]; do
	[ $SECONDS -lt $end ] || fail "not all lines arrived within 12 s"
	sleep 0.3
done

# ---- the proof

failures=0
check() {
	if [ "$2" = "$3" ]; then
		printf '  ok    %-64s %10s\n' "$1" "$2"
	else
		printf '  FAIL  %-64s %10s, not %s\n' "$1" "$2" "$3"
		failures=$((failures + 1))
	fi
}

page=$(metrics "$ship_port")
read=$(sum longship_entries_read_total <<<"$page")
stored=$(sum longship_entries_acknowledged_total <<<"$page")
rejected=$(sum longship_entries_rejected_total <<<"$page")
dropped=$(sum longship_entries_dropped_total <<<"$page")
flight=$(sum longship_entries_in_flight <<<"$page")

# arrived: "FILE LINES" for each file.
if [ -n "${receiver_port:-}" ]; then
	received=$(metrics "$receiver_port" | sum longship_entries_read_total)
	# One line of the receiver's log an entry: ... entry="…" entry_timestamp=… labels="{…, filename=\"…\"}" …
	arrived=$(awk -v own="$own" -v n=$written '
		/ entry_timestamp=/ {
			k = split($0, part, "filename=\\\\\"")
			file = part[k]
			sub(/\\".*/, "", file)
			lines[file]++
			if (file == own && match($0, /seq(=|\\":)[0-9]+/)) {
				number = substr($0, RSTART, RLENGTH)
				sub(/.*[=:]/, "", number)
				seen[number]++
			}
		}
		END {
			for (file in lines) print file, lines[file]
			for (i = 0; i < n; i++) if (seen[i] == 1) once++
			print "once", once + 0
		}' "$work/receiver.log")
else
	ask() {
		curl -fsS -G ${LOKI_TENANT:+-H "X-Scope-OrgID: $LOKI_TENANT"} --data-urlencode \
			"query=sum by (filename) (count_over_time({demo=\"$id\"}[30d]))" "${LOKI_URL%/}/loki/api/v1/query" |
			sed 's/{"metric"/\n&/g' | sed -nE 's/.*"filename":"([^"]*)".*"value":\[[^,]*,"([0-9]+)"\].*/\1 \2/p'
	}
	end=$((SECONDS + 8))
	until arrived=$(ask) && [ "$(awk '{ n += $2 } END { print n + 0 }' <<<"$arrived")" -ge "$stored" ]; do
		[ $SECONDS -lt $end ] || break
		sleep 0.5
	done
	received=$(awk '{ n += $2 } END { print n + 0 }' <<<"$arrived")
fi

echo
echo "what was read, and what arrived:"
[ "$rejected" = 0 ] || echo "  Loki refused $rejected lines (too old for it, most likely); they are counted, see loki_write_dropped_entries_total"
check "the sender's ledger: read = acknowledged + rejected + dropped" "$read" "$((stored + rejected + dropped + flight))"
check "the receiver has what the sender says was stored" "$received" "$stored"
for file in "${files[@]}"; do
	bytes=$(awk -v path="path=\"$file\"" 'index($0, "loki_source_file_read_bytes_total{") == 1 && index($0, path) { n = $NF } END { printf "%d", n }' <<<"$page")
	in_file=$(head -c "$bytes" "$file" | wc -l)
	there=$(awk -v f="$file" '$1 == f { print $2 }' <<<"$arrived")
	[ "$rejected" != 0 ] && [ "$file" != "$own" ] && continue
	check "${file/#$work/…}: lines in the file, lines arrived" "$in_file" "${there:-0}"
done
if [ -n "${receiver_port:-}" ]; then
	check "the own file, line by line: each of its numbers exactly once" \
		"$(awk '$1 == "once" { print $2 }' <<<"$arrived")" "$written"
fi
echo
if [ $failures = 0 ]; then
	echo "PROVEN: $stored lines of ${#files[@]} files arrived, each once (up to $top lines/s; $((SECONDS)) s)"
else
	echo "FAILED: $failures of the checks above"
	exit 1
fi
