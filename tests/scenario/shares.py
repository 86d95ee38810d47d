#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tenants that write little beside tenants with a backlog.

    shares.py light DIR SECONDS         a line for each of 20 tenants light00… (files of their own) and of 5 tenants mixed0… (all
                                        in mixed.log), four times a second
    shares.py greedy DIR FROM TO LINES  so many lines at once for each tenant greedy<FROM>…<TO>; those of greedy00 stand in mixed.log
    shares.py delay URL PREFIX          99th percentile and worst of the milliseconds until a line was stored, of tenants with that
                                        prefix, and how many lines; URL is a fake Loki's
    shares.py check DIR URL             each tenant has each of its lines once and in order
"""

import base64
import collections
import json
import os
import re
import sys
import time
import urllib.request

PAUSE_S = 0.25
LINE = re.compile(r"who=(\w+) n=(\d+) ")


def next_numbers(directory):
    """{tenant: how many lines it has in the files}"""
    counts = collections.Counter()
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), encoding="ascii") as file:
            counts.update(match[1] for match in map(LINE.match, file) if match)
    return counts


def append(directory, name, lines):
    with open(os.path.join(directory, name + ".log"), "a", encoding="ascii") as file:
        file.writelines(lines)


def light(directory, seconds):
    began = time.monotonic()
    numbers = next_numbers(directory)

    def line(tenant):
        numbers[tenant] += 1
        return f"who={tenant} n={numbers[tenant] - 1} at={time.time_ns()} little\n"

    while time.monotonic() - began < float(seconds):
        for i in range(20):
            append(directory, f"light{i:02d}", [line(f"light{i:02d}")])
        append(directory, "mixed", [line(f"mixed{i}") for i in range(5)])
        time.sleep(PAUSE_S)


def greedy(directory, first, last, lines):
    numbers = next_numbers(directory)
    for i in range(int(first), int(last) + 1):
        tenant = f"greedy{i:02d}"
        text = [f"who={tenant} n={numbers[tenant] + n} {base64.b64encode(os.urandom(135)).decode()}\n" for n in range(int(lines))]
        append(directory, tenant if i else "mixed", text)


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def delay(url, prefix):
    found = sorted(ms for tenant, all_of_it in get(url + "/_delays").items() if tenant.startswith(prefix) for ms in all_of_it)
    print(found[len(found) * 99 // 100], found[-1], len(found))


def check(directory, url):
    bad = 0
    stored = get(url + "/_dump")["tenants"]
    for tenant, count in sorted(next_numbers(directory).items()):
        entries = sorted((int(e[0]), i, e[1]) for s in stored.get(tenant, []) for i, e in enumerate(s["entries"]))
        numbers = [int(LINE.match(line)[2]) for _, _, line in entries]
        if numbers != list(range(count)):
            bad += 1
            print(f"{tenant}: {len(set(numbers))} of {count} lines, {len(numbers) - len(set(numbers))} twice, "
                  f"{'in' if numbers == sorted(numbers) else 'out of'} order")
    return 1 if bad else 0


COMMANDS = {"light": light, "greedy": greedy, "delay": delay, "check": check}


def main(argv):
    if len(argv) < 3 or argv[1] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return COMMANDS[argv[1]](*argv[2:]) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
