#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: loki
# The volume: LOKI_MIB (128) MiB of 150-byte lines that wait in one file, ten restarts.
export LINES_TOTAL=$((${LOKI_MIB:-128} * 1048576 / 150)) DEADLINE=$((120 + ${LOKI_MIB:-128} * 2))
exec env VOLUME=1 bash "$(dirname "$0")/02-graceful-restarts.sh"
