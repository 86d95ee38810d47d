#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What Loki answers with its default limits is what docs/loki-replies.md says, and what src/flow/reply.c goes by.
# with: loki
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/longship-replies.XXXXXX")
trap '"$here/../loki/loki.sh" stop "$dir"; rm -rf "$dir"' EXIT
url=$(LOKI_LIMITS=default "$here/../loki/loki.sh" start "$dir" "$(python3 "$here/../support/probe.py" ports 1)")
echo "# a Loki with its default limits answers as docs/loki-replies.md says"
"$here/../loki/replies.py" "$url"
