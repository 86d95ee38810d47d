# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scenarios: source it, call `scenario "what it proves"`, and let the functions start, ask and stop things.
# Nothing here waits by time: every wait has a condition and a deadline. What was started ends with the scenario.
#
# From outside: LONGSHIP (the binary), LONGSHIP_SAN (sanitizers it was built with), RECEIVER=fake|loki,
# LOKI_SHARED (URL of a running Loki for RECEIVER=loki), KEEP=1 (leave the work directory).
set -u

support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=$(dirname "$support")
LONGSHIP=${LONGSHIP:-$tests/../build/longship}
RECEIVER=${RECEIVER:-fake}
# A sanitizer makes everything slower.
DEADLINE=${DEADLINE:-$([ -n "${LONGSHIP_SAN:-}" ] && echo 180 || echo 60)}
export PYTHONDONTWRITEBYTECODE=1

failures=0
declare -A ship_pid ship_url ship_config ship_flags watch_pid
fake_pid='' fake_options=()

scenario() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/longship-$(basename "$0" .sh).XXXXXX")
	tenant=t$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
	run=$tenant
	mkdir -p "$work/logs"
	trap finish EXIT
	trap 'exit 130' INT TERM
	echo "# $1"
}

say() { echo "  $*"; }

pass() { echo "  ok: $*"; }

fail() {
	echo "  FAIL: $*"
	failures=$((failures + 1))
}

# prove TEXT COMMAND...: the command must succeed.
prove() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		pass "$text${out:+: $(head -n 1 <<<"$out" | cut -c 1-200)}"
	else
		fail "$text"
		printf '%s\n' "$out" | head -n 12 | sed 's/^/      /'
		return 1
	fi
}

is() { [ "$1" = "$2" ] || { echo "is $1, not $2"; return 1; }; }
between() { [ "$2" -ge "$1" ] && [ "$2" -le "$3" ] && echo "$2" || { echo "$2 is not within $1..$3"; return 1; }; }

skip() {
	echo "  skipped: $*"
	exit 77
}

# wait_for SECONDS TEXT COMMAND...: until the command succeeds; a scenario ends when it never does.
wait_for() {
	local seconds=$1 text=$2 end
	shift 2
	end=$((SECONDS + seconds + 1))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge "$end" ]; then
			fail "$text: not within $seconds s"
			tell
			exit 1
		fi
		sleep 0.05
	done
}

# The ends of all logs, for the reader of a failure.
tell() {
	local log
	for log in "$work"/*.log; do
		[ -s "$log" ] || continue
		echo "      -- $(basename "$log"):"
		tail -n 8 "$log" | cut -c 1-300 | sed 's/^/      /'
	done
}

stop_pid() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

finish() {
	local status=$? name log
	trap - EXIT
	for name in "${!watch_pid[@]}"; do stop_pid "${watch_pid[$name]}"; done
	for name in "${!ship_pid[@]}"; do stop_pid "${ship_pid[$name]}"; done
	[ -z "$fake_pid" ] || stop_pid "$fake_pid"
	if declare -F cleanup >/dev/null; then cleanup; fi
	for log in "$work"/*.log; do
		[ -e "$log" ] || continue
		if grep -aqE 'ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed' "$log"; then
			fail "$(basename "$log") has a report"
			grep -aE -A 30 'Sanitizer|runtime error:|Assertion' "$log" | head -n 60 | sed 's/^/      /'
		fi
	done
	if [ "$status" = 0 ] && [ "$failures" -gt 0 ]; then
		tell
		status=1
	fi
	if [ "${KEEP:-0}" = 1 ]; then echo "  kept: $work"; else rm -rf "$work"; fi
	exit "$status"
}

probe() { python3 "$support/probe.py" "$@"; }
oracle() { python3 "$support/oracle.py" "$@"; }
free_port() { probe ports 1; }

# ---- the receiver

# receiver [fakeloki options]: sets LOKI. With a real Loki all scenarios share one, each with a tenant of its own.
receiver() {
	if [ "$RECEIVER" = loki ]; then
		LOKI=${LOKI_SHARED:?}
		return
	fi
	fake_port=$(free_port)
	fake_options=(--auth --max-line-size 0 --reject-old 0 --max-streams 100000 "$@")
	fake_start
	LOKI=http://127.0.0.1:$fake_port
}

fake_start() {
	python3 "$support/fakeloki.py" --port "$fake_port" "${fake_options[@]}" >>"$work/fakeloki.log" 2>&1 &
	fake_pid=$!
	wait_for 20 "the fake Loki listens" curl -fsS "http://127.0.0.1:$fake_port/ready"
}

fake_stop() {
	stop_pid "$fake_pid"
	fake_pid=
}

faults() { curl -fsS -X POST -d "$1" "$LOKI/_faults" >/dev/null; }
# refuse_tenant TENANT: 429 for all that it pushes, until take_tenants. A real Loki is told by its runtime configuration, which it reads
# each second: it permits the tenant nothing.
refuse_tenant() {
	if [ "$RECEIVER" = fake ]; then
		faults "{\"tenant\": \"$1\", \"times\": -1, \"refuse\": 429, \"body\": \"ingestion rate limit exceeded\"}"
		return
	fi
	printf 'overrides:\n  "%s":\n    ingestion_rate_mb: 0.000001\n    ingestion_burst_size_mb: 0.000001\n' "$1" >"$LOKI_RUNTIME.new"
	mv "$LOKI_RUNTIME.new" "$LOKI_RUNTIME"
	wait_for 60 "Loki refuses the tenant $1" loki_answers 429 "$1"
}
take_tenants() {
	if [ "$RECEIVER" = fake ]; then
		no_faults
		return
	fi
	echo 'overrides: {}' >"$LOKI_RUNTIME.new"
	mv "$LOKI_RUNTIME.new" "$LOKI_RUNTIME"
	for refused in "$@"; do wait_for 60 "Loki takes the tenant $refused" loki_answers 204 "$refused"; done
}
# loki_answers STATUS TENANT: to a push of one line that no scenario counts.
loki_answers() {
	is "$(curl -sS -o /dev/null -w '%{http_code}' -H "X-Scope-OrgID: $2" -H 'Content-Type: application/json' \
		-d "{\"streams\": [{\"stream\": {\"longship_probe\": \"runtime\"}, \"values\": [[\"$(date +%s%N)\", \"probe\"]]}]}" "$LOKI/loki/api/v1/push")" "$1"
}
no_faults() { curl -fsS -X DELETE "$LOKI/_faults" >/dev/null; }
faults_left() { curl -fsS "$LOKI/_faults" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
stats() { curl -fsS "$LOKI/_stats" | python3 -c 'import json, sys; v = json.load(sys.stdin)
for k in sys.argv[1:]: v = v.get(k, {}) if isinstance(v, dict) else 0
print(v or 0)' "$@"; }

# stored SELECTOR [TENANT]: how many entries a metric query counts.
stored() { oracle count --loki "$LOKI" --tenant "${2:-$tenant}" --selector "$1"; }
stored_is() { [ "$(stored "$2" "${3:-$tenant}")" = "$1" ]; }
stored_least() { [ "$(stored "$2" "${3:-$tenant}" || echo 0)" -ge "$1" ]; }

# arrived SELECTOR STREAM COUNT [TENANT]: each line of the stream is there once, in order, intact.
arrived() {
	prove "$3 lines of $2 arrived once, in order and intact" oracle check --loki "$LOKI" --tenant "${4:-$tenant}" \
		--selector "$1" --run "$run" --stream "$2" --count "$3"
}

# ---- lines

# lines FILE STREAM FROM COUNT [generate's options]
lines() {
	local file=$1 stream=$2 from=$3 count=$4
	shift 4
	oracle generate --run "$run" --stream "$stream" --from "$from" --count "$count" "$@" "$file" 2>/dev/null
}

# ---- longship

# ship_start NAME CONFIG [flags]: sets ship_pid[NAME], ship_url[NAME]; returns when it is ready.
ship_start() {
	ship_start_only "$@"
	wait_for 30 "$1 is ready" ship_ready "$1"
	if gone "${ship_pid[$1]}"; then
		fail "$1 ended at its start"
		tell
		exit 1
	fi
}

ship_start_only() {
	local name=$1 config=$2 port
	shift 2
	[ -n "${ship_url[$name]:-}" ] || ship_url[$name]=http://127.0.0.1:$(free_port)
	port=${ship_url[$name]##*:}
	ship_config[$name]=$config ship_flags[$name]="$*"
	# shellcheck disable=SC2086
	"$LONGSHIP" run --server.http.listen-addr="127.0.0.1:$port" --storage.path="$work/$name" "$@" "$config" \
		>>"$work/$name.log" 2>&1 &
	ship_pid[$name]=$!
}

ship_ready() { gone "${ship_pid[$1]}" || curl -fsS "${ship_url[$1]}/-/ready"; }

# ship_again NAME: with the configuration and flags of before.
ship_again() {
	# shellcheck disable=SC2086
	ship_start "$1" "${ship_config[$1]}" ${ship_flags[$1]}
}

# ship_stop NAME: a graceful stop must end with 0.
ship_stop() {
	local pid=${ship_pid[$1]} status
	kill -TERM "$pid"
	wait_for 40 "$1 ends on SIGTERM" gone "$pid"
	wait "$pid"
	status=$?
	unset "ship_pid[$1]"
	[ "$status" = 0 ] || fail "$1 ended with status $status"
}

gone() {
	case $(ps -o stat= -p "$1" 2>/dev/null) in '' | Z*) return 0 ;; esac
	return 1
}

ship_kill() {
	kill -9 "${ship_pid[$1]}"
	wait "${ship_pid[$1]}" 2>/dev/null
	unset "ship_pid[$1]"
}

alive() { kill -0 "${ship_pid[$1]}"; }

# metric NAME METRIC [K=V ...]
metric() {
	local name=$1
	shift
	probe value "${ship_url[$name]}" "$@"
}
metric_least() {
	local least=$1
	shift
	[ "$(metric "$@")" -ge "$least" ]
}
# life NAME SECONDS LEAST METRIC: start NAME and return as soon as METRIC is at least LEAST, within milliseconds of it.
# Sets life_resent to what it has sent again until then.
life() {
	local looker
	ship_start_only "$1" "${ship_config[$1]}" ${ship_flags[$1]}
	python3 "$support/probe.py" reach "${ship_url[$1]}" "$2" "$3" "$4" >"$work/life.txt" &
	looker=$!
	wait $looker || { fail "$1 did not reach $4 = $3 within $2 s"; tell; exit 1; }
	read -r life_resent <"$work/life.txt"
}
metric_is() {
	local value=$1
	shift
	is "$(metric "$@")" "$value"
}

reload() { curl -sS -o "$work/reload.txt" -w '%{http_code}\n' -X POST "${ship_url[$1]}/-/reload"; }

# watch NAME / watched NAME: between the two every scrape is proven, see probe.py.
watch() {
	watch_out=$work/$1.watch.$RANDOM.json
	python3 "$support/probe.py" watch "${ship_url[$1]}" "$watch_out" 2>>"$work/watch.log" &
	watch_pid[$1]=$!
	wait_for 20 "the first scrape of $1" test -e "$watch_out"
}
watched() {
	watch_end "$1"
	prove "the ledger of $1 added up, memory stayed within the budget, at each of $(probe field "$watch_out" scrapes) scrapes" \
		is "$(probe field "$watch_out" problems)" ""
}
watch_end() {
	[ -n "${watch_pid[$1]:-}" ] || return 0
	kill -TERM "${watch_pid[$1]}" 2>/dev/null
	wait "${watch_pid[$1]}" 2>/dev/null
	unset "watch_pid[$1]"
}

# A loki.write that retries fast. write_block LABEL [further endpoint arguments]
write_block() {
	cat <<-END
		loki.write "$1" {
			endpoint {
				url                 = "$LOKI/loki/api/v1/push"
				tenant_id           = "$tenant"
				batch_wait          = "100ms"
				remote_timeout      = "2s"
				min_backoff_period  = "50ms"
				max_backoff_period  = "400ms"
				${2:-}
			}
		}
	END
}
