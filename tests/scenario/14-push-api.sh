#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What loki.source.api answers, takes and refuses; and that the fake Loki keeps Loki's rules.
# with: fake
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python3 "$here/../support/fakeloki_selftest.py"
exec python3 "$here/push_api.py"
