#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""proof.py URL SELECTOR TWICE FILE... : every intact test line of the files is stored, at most TWICE of them twice.

What is stored may be more than the files hold: a machine that lost its power forgets what it had not written down,
Loki does not.
"""

import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import oracle  # noqa: E402


def main():
    url, selector, most_twice, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    now = time.time_ns()
    stored = collections.Counter()
    for _, _, line in oracle.Loki(url, selector).entries(now - 86400 * 10**9, now + 3600 * 10**9):
        stored[line] += 1
    on_disk = set()
    for name in files:
        with open(name, encoding="utf-8", errors="replace") as lines:
            on_disk.update(line.rstrip("\n") for line in lines)
    on_disk = {line for line in on_disk if line.startswith("run=") and oracle.intact(line)}
    missing = sorted(on_disk - stored.keys())
    twice = sorted(line for line in on_disk if stored[line] > 1)
    beyond = sum(1 for line in stored if line.startswith("run=") and oracle.intact(line) and line not in on_disk)
    print(f"{len(on_disk)} lines on disk, {len(missing)} missing, {len(twice)} twice, {beyond} stored that the disk lost")
    for what, lines in (("missing", missing), ("twice", twice)):
        for line in lines[:3]:
            print(f"{what}: {line[:100]}")
    return 0 if on_disk and not missing and len(twice) <= most_twice else 1


if __name__ == "__main__":
    sys.exit(main())
