#!/bin/sh
# Starts and stops a Loki for tests (see README.md).
#
#   loki.sh start DIR PORT     prints the base URL when Loki takes pushes
#   loki.sh stop DIR
#
# LOKI_BIN      the binary (default: what build.sh builds)
# LOKI_LIMITS   raised (default) or default
# LOKI_AUTH     false (default) or true: X-Scope-OrgID is required
# LOKI_ARGS     further arguments for Loki, split at blanks
# LOKI_GRPC_PORT  default: a free port
# LOKI_WAIT     seconds until the start counts as failed (default 60)
set -eu

here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "loki.sh: $*" >&2; }
die() {
	say "$*"
	exit 1
}
usage() { die "usage: loki.sh start DIR PORT | stop DIR"; }

# The process that the pid file names, if it is still that process: a pid may
# have been given to another one since.
running() {
	[ -s "$dir/loki.pid" ] || return 1
	pid=$(cat "$dir/loki.pid")
	kill -0 "$pid" 2>/dev/null || return 1
	case $(ps -o stat= -p "$pid") in Z*) return 1 ;; esac
	tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -Fqx -- "-config.file=$dir/loki.yaml"
}

port_taken() {
	python3 -c 'import socket, sys
s = socket.socket(); s.settimeout(2)
sys.exit(s.connect_ex(("127.0.0.1", int(sys.argv[1]))) != 0)' "$1"
}

free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
	limits=${LOKI_LIMITS:-raised}
	auth=${LOKI_AUTH:-false}
	case $limits in raised | default) ;; *) die "LOKI_LIMITS=$limits: raised or default" ;; esac
	case $auth in true | false) ;; *) die "LOKI_AUTH=$auth: true or false" ;; esac
	case $port in '' | *[!0-9]*) die "not a port: $port" ;; esac
	case $dir in *[!A-Za-z0-9/._+-]*) die "DIR may hold letters, digits and /._+- only: $dir" ;; esac
	if running; then die "a Loki runs in $dir already (pid $pid)"; fi

	# What listens there already must not be taken for the new Loki.
	if port_taken "$port"; then die "something listens on 127.0.0.1:$port already"; fi

	bin=$("$here/build.sh")
	grpc=${LOKI_GRPC_PORT:-$(free_port)}
	sed -e "s|@DIR@|$dir|g" -e "s|@HTTP_PORT@|$port|g" \
		-e "s|@GRPC_PORT@|$grpc|g" -e "s|@AUTH@|$auth|g" "$here/loki.yaml.in" |
		awk -v keep="limits=$limits" '
			/^# >>> / { skip = $3 != keep; next }
			/^# <<</ { skip = 0; next }
			!skip' >"$dir/loki.yaml"

	url=http://127.0.0.1:$port
	# shellcheck disable=SC2086
	setsid "$bin" "-config.file=$dir/loki.yaml" ${LOKI_ARGS:-} \
		</dev/null >>"$dir/loki.log" 2>&1 &
	pid=$!
	printf '%s\n' "$pid" >"$dir/loki.pid"
	if ! python3 "$here/ready.py" "$url" "$pid" "${LOKI_WAIT:-60}"; then
		tail -n 5 "$dir/loki.log" | cut -c 1-400 >&2
		stop
		die "Loki did not start, see $dir/loki.log"
	fi
	printf '%s\n' "$url"
}

stop() {
	if running; then
		kill "$pid"
		i=0
		# A flush of what the ingester holds can take its time.
		while running; do
			i=$((i + 1))
			if [ "$i" -gt 300 ]; then
				say "pid $pid did not end within 30 s, killing it"
				kill -9 "$pid" 2>/dev/null || :
				break
			fi
			sleep 0.1
		done
	fi
	rm -f "$dir/loki.pid"
}

[ $# -ge 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
case $1 in
start)
	[ $# -eq 3 ] || usage
	port=$3
	start
	;;
stop)
	[ $# -eq 2 ] || usage
	stop
	;;
*) usage ;;
esac
