# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Debian of its own in a folder, booted with its own systemd by systemd-nspawn; a receiver beside it. Root only.
#
# machine_begin sets: work (a directory that goes at the end), root (the folder, made once and kept in
# LONGSHIP_CACHE), LOKI (the receiver, in a network namespace that the machines share: 127.0.0.1 is the same for
# both). RECEIVER=loki takes a real Loki instead of the fake one.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
support=$here/../support
cache=${LONGSHIP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/longship}
passed=0 failed=0
netns='' receiver_pid='' loki_dir='' mounted='' disk=''
export PYTHONDONTWRITEBYTECODE=1

ok() { echo "  ok: $*"; passed=$((passed + 1)); }
bad() { echo "  FAIL: $*"; failed=$((failed + 1)); }

# prove TEXT COMMAND...
prove() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$text"; else
		bad "$text"
		printf '%s\n' "$out" | tail -n 15 | sed 's/^/      /'
	fi
}

machine_skip() {
	echo "skipped: $*"
	echo "0 passed, $([ "${CI:-}" = true ] && echo 1 || echo 0) failed, $([ "${CI:-}" = true ] && echo 0 || echo 1) skipped"
	[ "${CI:-}" != true ]
	exit
}

machine_end() {
	local status=$?
	trap - EXIT
	[ -z "$receiver_pid" ] || { kill "$receiver_pid" 2>/dev/null; wait "$receiver_pid" 2>/dev/null; }
	[ -z "$loki_dir" ] || "$here/../loki/loki.sh" stop "$loki_dir"
	[ -z "$netns" ] || ip netns del "$netns"
	[ -z "$mounted" ] || umount "$mounted"
	[ -z "$disk" ] || losetup -d "$disk" 2>/dev/null
	if [ "${KEEP:-0}" = 1 ]; then echo "kept: $work"; else rm -rf "$work"; fi
	[ "$status" = 0 ] || failed=$((failed + 1))
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}

# root_make NAME PACKAGES [COMMAND]: sets root; COMMAND is run in it when it is new.
root_make() {
	local packages=$2 mirror key
	key=$(printf '%s\n' "$@" | sha256sum | cut -c 1-12)
	root=$cache/machine-$1-$key
	[ ! -d "$root" ] || return 0
	echo "# making $root (once)"
	mkdir -p "$cache"
	rm -rf "$root.new"
	mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
	debootstrap --variant=minbase --include="$packages" bookworm "$root.new" "${mirror:-http://deb.debian.org/debian}" \
		>"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log"; return 1; }
	# The machine's own name resolution and time zone are no part of the tests.
	rm -rf "$root.new"/var/cache/apt/archives/*.deb "$root.new"/var/log/*
	[ $# -lt 3 ] || chroot "$root.new" sh -c "$3" >>"$work/debootstrap.log" 2>&1 || return 1
	mv "$root.new" "$root"
}

machine_begin() {
	local package=$1 libraries
	[ "$(id -u)" = 0 ] || machine_skip "a machine can be booted by root only"
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/longship-machine.XXXXXX")
	trap machine_end EXIT
	trap 'exit 130' INT TERM
	libraries=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/^ *//; s/[ |].*//' | paste -sd,)
	root_make deb "systemd,systemd-sysv,dbus,iproute2,procps,curl,logrotate,rsyslog,$libraries" || exit 1
}

receiver_begin() {
	netns=longship$$
	ip netns add "$netns" && ip -n "$netns" link set lo up || { netns=; exit 1; }
	LOKI=http://127.0.0.1:3100
	if [ "${RECEIVER:-fake}" = loki ]; then
		loki_dir=$work/loki
		in_netns "$here/../loki/loki.sh" start "$loki_dir" 3100 >/dev/null || exit 1
	else
		ip netns exec "$netns" python3 "$support/fakeloki.py" --port 3100 --reject-old 0 >"$work/fakeloki.log" 2>&1 &
		receiver_pid=$!
		for _ in $(seq 100); do in_netns curl -fsS "$LOKI/ready" >/dev/null 2>&1 && break; sleep 0.1; done
	fi
}

in_netns() { ip netns exec "$netns" "$@"; }

# boot ROOT SCRIPT [nspawn arguments]: boots it, runs SHARE/SCRIPT (SHARE is /ci inside) and returns its exit status.
# systemd-nspawn knows no landlock: what an ordinary host has is allowed here. What the script says is in SHARE/out.log. Unless VOLATILE=no, ROOT stays as it is.
boot() {
	local folder=$1 script=$2 name=longship$$ network=--private-network h status
	shift 2
	[ -z "$netns" ] || network=--network-namespace-path=/run/netns/$netns
	cat >"$share/ci.service" <<-END
		[Unit]
		Description=The test
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /ci/$script
		StandardOutput=append:/ci/out.log
		StandardError=inherit
		ExecStopPost=/bin/sh -c 'systemctl --no-block exit \$\$EXIT_STATUS'
	END
	: >"$share/out.log"
	# cgroups of its own: with --keep-unit systemd-nspawn makes them below the caller's.
	(
		for h in unified systemd .; do
			[ -w "/sys/fs/cgroup/$h/cgroup.procs" ] || continue
			mkdir -p "/sys/fs/cgroup/$h/$name" 2>/dev/null && echo "$BASHPID" >"/sys/fs/cgroup/$h/$name/cgroup.procs"
		done
		exec timeout --signal=TERM -k 20 "${LIMIT:-180}" systemd-nspawn -q -D "$folder" -M "$name" --boot --register=no \
			--keep-unit "$network" \
			--volatile="${VOLATILE:-overlay}" --bind="$share:/ci" \
			--system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
			--bind-ro="$share/ci.service:/etc/systemd/system/ci.service" --console=pipe "$@" \
			systemd.unit=multi-user.target systemd.wants=ci.service
	) </dev/null >"$share/console.log" 2>&1 &
	machine_pid=$!
	[ "${BACKGROUND:-0}" = 0 ] || return 0
	wait "$machine_pid"
	status=$?
	boot_end
	return $status
}

machine_processes() { find /sys/fs/cgroup -path "*/longship$$*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un; }

# The cgroups go when the last process has.
boot_end() {
	local h
	for _ in $(seq 100); do [ -z "$(machine_processes)" ] && break; sleep 0.05; done
	for h in unified/ systemd/ ''; do
		find "/sys/fs/cgroup/${h}longship$$" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
	rmdir "/run/systemd/nspawn/propagate/longship$$" 2>/dev/null
}

# The lines of the machine's test that say how it went.
tally() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok: '*) ok "${line#ok: }" ;;
		'FAIL: '*) bad "${line#FAIL: }" ;;
		'      '*) echo "    $line" ;;
		esac
	done <"$share/out.log"
}
