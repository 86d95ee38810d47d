#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What Loki answers with its default limits is what docs/loki-replies.md says, and what src/flow/reply.c and refusal.c go by; and the fake
# Loki, which the other scenarios ask, answers the same requests in the same way.
# with: fake loki
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/longship-replies.XXXXXX")
port=$(python3 "$here/../support/probe.py" ports 1)
if [ "${RECEIVER:-loki}" = loki ]; then
	trap '"$here/../loki/loki.sh" stop "$dir"; rm -rf "$dir"' EXIT
	url=$(LOKI_LIMITS=default "$here/../loki/loki.sh" start "$dir" "$port")
	echo "# a Loki with its default limits answers as docs/loki-replies.md says"
else
	python3 "$here/../support/fakeloki.py" --port "$port" >"$dir/log" &
	fake=$!
	trap 'kill $fake; rm -rf "$dir"' EXIT
	url=http://127.0.0.1:$port
	for _ in $(seq 200); do curl -fsS "$url/ready" >/dev/null 2>&1 && break || sleep 0.1; done
	echo "# the fake Loki answers as a real one with default limits"
fi
"$here/../loki/replies.py" "$url"
