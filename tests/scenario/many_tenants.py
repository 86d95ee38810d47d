#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many tenants: writes their lines at a steady pace, and proves what became of them.

    many_tenants.py write DIR COUNT SECONDS [PID]   lines of COUNT tenants for SECONDS, each tenant LINES_EACH_S a second,
                            tenant 1 HOT times as many, tenant 3 and the last but two BUSY times. The first half of the
                            tenants share DIR/shared.log, the others have
                            a file each. Prints the most private and resident KiB of PID meanwhile.
    many_tenants.py total DIR                       lines so far
    many_tenants.py delay DIR URL [NOT...]          the 99th percentile of the milliseconds until a line of any tenant but those
                            in NOT was stored, and the worst; URL is a fake Loki's
    many_tenants.py check DIR URL                   each tenant has each of its lines once and in order

DIR/written.json remembers how many lines each tenant has.
"""

import json
import os
import sys
import time
import urllib.request

LINES_EACH_S = 0.2
HOT = 500
BUSY = 5
TICK_S = 0.1
PAD = "x" * 100
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url):
    with OPENER.open(url, timeout=60) as answer:
        return json.load(answer)


def name_of(i):
    return f"t{i:03d}"


def load(directory):
    try:
        with open(os.path.join(directory, "written.json"), encoding="ascii") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def save(directory, written):
    path = os.path.join(directory, "written.json")
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(written, file)
    os.rename(path + ".new", path)


def memory(pid):
    sums = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if len(words) == 3 and words[2] == "kB":
                sums[words[0]] = int(words[1])
    return sums["Private_Dirty:"] + sums.get("Swap:", 0), sums["Rss:"]


class Writer:
    def __init__(self, directory, count):
        self.directory, self.count = directory, count
        self.written = load(directory)
        self.files = {}

    def file(self, i):
        name = "shared" if i < self.count // 2 else name_of(i)
        if name not in self.files:
            self.files[name] = open(os.path.join(self.directory, name + ".log"), "a", encoding="ascii")
        return self.files[name]

    def line(self, i):
        name = name_of(i)
        n = self.written.get(name, 0)
        self.written[name] = n + 1
        self.file(i).write(f"who={name} n={n} at={time.time_ns()} {PAD}\n")

    def flush(self):
        for file in self.files.values():
            file.flush()


def write(directory, count, seconds, pid=None):
    writer = Writer(directory, int(count))
    count, seconds = int(count), float(seconds)
    began = time.monotonic()
    turn = hot = busy = 0
    most = (0, 0)
    while (now := time.monotonic() - began) < seconds:
        while turn < now * LINES_EACH_S * count:
            writer.line(turn % count)
            turn += 1
        while hot < now * LINES_EACH_S * HOT:
            writer.line(1)
            hot += 1
        while busy < now * LINES_EACH_S * BUSY:
            writer.line(3)
            writer.line(count - 3)
            busy += 1
        writer.flush()
        if pid:
            most = tuple(map(max, most, memory(pid)))
        time.sleep(TICK_S)
    save(directory, writer.written)
    print(*most)


def total(directory):
    print(sum(load(directory).values()))


def delay(directory, url, *excluded):
    del directory
    found = sorted(ms for tenant, all_of_it in get(url + "/_delays").items() if tenant not in excluded for ms in all_of_it)
    print(found[len(found) * 99 // 100], found[-1])


def check(directory, url):
    stored = get(url + "/_dump?raw=1")["tenants"]
    bad = 0
    for tenant, count in sorted(load(directory).items()):
        entries = sorted((int(e[0]), i, e[1]) for s in stored.get(tenant, []) for i, e in enumerate(s["entries"]))
        numbers = [int(line.split("n=", 1)[1].split(" ", 1)[0]) for _, _, line in entries]
        if numbers != list(range(count)):
            bad += 1
            twice = len(numbers) - len(set(numbers))
            print(f"{tenant}: {len(set(numbers))} of {count} lines, {twice} twice, "
                  f"{'in' if numbers == sorted(numbers) else 'out of'} order")
    return 1 if bad else 0


COMMANDS = {"write": write, "total": total, "delay": delay, "check": check}


def main(argv):
    if len(argv) < 3 or argv[1] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return COMMANDS[argv[1]](*argv[2:]) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
