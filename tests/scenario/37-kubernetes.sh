#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake loki
. "$(dirname "$0")/../support/lib.sh"
scenario "packaging/kubernetes: the logs of pods in the runtime's format; namespace, pod and container from the path, whole lines"
receiver
pods=$work/pods
minute=$(date -u -d "2 minutes ago" +%Y-%m-%dT%H:%M)
export LOKI_URL=$LOKI/loki/api/v1/push NODE_NAME=node-1
# The example, but for where the pods and the Loki are.
sed -e "s|/var/log/pods|$pods|g" -e "s|\t\turl = .*|&\n\t\ttenant_id = \"$tenant\"\n\t\tbatch_wait = \"100ms\"|" \
	"$tests/../packaging/kubernetes/config.alloy" >"$work/ship.alloy"
# cri FILE: lines as a container runtime writes them, each third one in two pieces
cri() {
	mkdir -p "$(dirname "$1")"
	awk '{ t = sprintf("'"$minute"':%02d.%09dZ", NR / 1000 % 60, NR % 1000 * 1000000)
		if (NR % 3) print t, "stdout F", $0
		else { print t, "stdout P", substr($0, 1, 20); print t, "stdout F", substr($0, 21) } }' >>"$1"
}
lines "$work/a.txt" web 0 2000
lines "$work/b.txt" side 0 500
cri "$pods/shop_web-7d4f_0a1b2c3d-0000-4000-8000-000000000001/nginx/0.log" <"$work/a.txt"
cri "$pods/shop_web-7d4f_0a1b2c3d-0000-4000-8000-000000000001/side/0.log" <"$work/b.txt"
echo "$minute:00.000000001Z stdout F no container" >"$pods/not-a-log.txt"
ship_start ship "$work/ship.alloy"
one='{namespace="shop", pod="web-7d4f", container="nginx", job="shop/nginx", node="node-1"}'
two='{namespace="shop", pod="web-7d4f", container="side", job="shop/side"}'
wait_for "$DEADLINE" "the lines of a container arrive" stored_least 2000 "$one"
wait_for "$DEADLINE" "of its neighbour, too" stored_least 500 "$two"
arrived "$one" web 2000
arrived "$two" side 500
say "a container that starts again, and a new pod"
lines "$work/c.txt" web 2000 1000
cri "$pods/shop_web-7d4f_0a1b2c3d-0000-4000-8000-000000000001/nginx/1.log" <"$work/c.txt"
lines "$work/d.txt" new 0 100
cri "$pods/jobs_sweep-x_0a1b2c3d-0000-4000-8000-000000000002/main/0.log" <"$work/d.txt"
wait_for "$DEADLINE" "its next file arrives" stored_least 3000 "$one"
wait_for "$DEADLINE" "so does the new pod" stored_least 100 '{namespace="jobs", container="main"}'
arrived '{namespace="jobs", container="main"}' new 100
prove "nothing else came" stored_is 3600 '{job=~".+"}'
wait_for "$DEADLINE" "all is settled" metric_is 0 ship longship_entries_in_flight
ship_stop ship
