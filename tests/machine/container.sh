#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# container.sh BUILD VERSION: the image is built from packaging/container by a dockerd of the test's own, and runs as the Compose example
# runs it. No registry is asked: its base is a Debian made here by debootstrap. Not run: docker compose itself, Grafana, podman, a bridge.
. "$(dirname "$0")/lib.sh"
top=$here/../..
command -v dockerd >/dev/null || machine_skip "there is no dockerd here"
[ "$(id -u)" = 0 ] || machine_skip "dockerd needs root"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/longship-container.XXXXXX")
dockerd_pid=
container_end() {
	local status=$? mount
	set +e
	if [ -n "$dockerd_pid" ]; then
		# shellcheck disable=SC2046
		docker rm -f $(docker ps -aq) >/dev/null 2>&1
		kill "$dockerd_pid" && wait "$dockerd_pid" 2>/dev/null
		for mount in $(awk -v d="$work/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r); do umount "$mount"; done
	fi
	(exit "$status")
	machine_end
}
trap container_end EXIT
trap 'exit 130' INT TERM
# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return 1; }
		sleep 0.1
	done
}

root_make base ca-certificates || exit 1
mkdir -p "$work/data" "$work/exec" "$work/logs"
export DOCKER_HOST=unix://$work/docker.sock
dockerd --data-root "$work/data" --exec-root "$work/exec" -H "$DOCKER_HOST" -p "$work/dockerd.pid" --iptables=false --ip6tables=false \
	--bridge=none --exec-opt native.cgroupdriver=cgroupfs --storage-driver="${STORAGE:-overlay2}" >"$work/dockerd.log" 2>&1 </dev/null &
dockerd_pid=$!
until_true 20 docker version || { tail -n 5 "$work/dockerd.log"; exit 1; }
tar -C "$root" -c . | docker import - longship-base:1 >/dev/null || exit 1
begin=$SECONDS
build_image() {
	(cd "$top" && git ls-files -z | tar -c --null --ignore-failed-read -T -) |
		DOCKER_BUILDKIT=0 docker build -q --network host --build-arg BASE=longship-base:1 -f packaging/container/Containerfile -t longship:test -
}
prove "the image is built" build_image
docker image inspect longship:test >/dev/null 2>&1 || exit 1
echo "# $((SECONDS - begin)) s, $(($(docker image inspect -f '{{.Size}}' longship:test) - $(docker image inspect -f '{{.Size}}' longship-base:1))) bytes over its base"

port=$(python3 "$support/probe.py" ports 1) http=$(python3 "$support/probe.py" ports 1)
LOKI=http://127.0.0.1:$port
python3 "$support/fakeloki.py" --port "$port" --reject-old 0 >"$work/fakeloki.log" 2>&1 &
receiver_pid=$!
until_true 20 curl -fsS "$LOKI/ready"
lines() { python3 "$support/oracle.py" generate --run "r$$" --stream c --from "$1" --count "$2" "$work/logs/app.log" 2>/dev/null; }
stored_least() { [ "$(python3 "$support/oracle.py" count --loki "$LOKI" --selector '{job="varlogs"}')" -ge "$1" ]; }
is() { [ "$1" = "$2" ] || { echo "is $1, not $2"; return 1; }; }
# As compose.yaml has it, but for the network: this dockerd has none. The health check asks the port that the image names.
start() {
	docker run -d --name "$1" --network host --cap-drop ALL --cap-add DAC_READ_SEARCH --security-opt no-new-privileges:true --read-only \
		--tmpfs /tmp --memory 128m -e "LOKI_URL=$LOKI/loki/api/v1/push" -v "$work/logs:/var/log:ro" -v positions:/var/lib/longship \
		longship:test
}
health() { docker inspect -f '{{.State.Health.Status}}' "$1"; }
healthy() { [ "$(health "$1")" = healthy ]; }
if curl -fs http://127.0.0.1:12345/-/ready >/dev/null 2>&1; then machine_skip "port 12345 of the image is taken here"; fi

lines 0 500
chmod 600 "$work/logs/app.log"
prove "it starts" start one
prove "the lines of a file that only root may read arrive" until_true 30 stored_least 500
[ $failed = 0 ] || docker logs one 2>&1 | tail -n 5
prove "the health check says so" until_true 60 healthy one
prove "it has one capability" is "$(sed -n 's/^CapEff:\t//p' "/proc/$(docker inspect -f '{{.State.Pid}}' one)/status")" 0000000000000004
prove "it stops" docker stop -t 20 one
prove "with 0" is "$(docker inspect -f '{{.State.ExitCode}}' one)" 0
lines 500 500
prove "another container takes over the positions" start two
prove "and ships the rest" until_true 30 stored_least 1000
prove "each line once" python3 "$support/oracle.py" check --loki "$LOKI" --selector '{job="varlogs"}' --run "r$$" --stream c --count 1000
kill "$receiver_pid"
prove "without LOKI_URL it says what is missing" test "$(docker run --rm --network none longship:test 2>&1 | grep -c LOKI_URL)" -ge 1
docker rm -f two >/dev/null 2>&1
