#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the scenarios ask longship and the fake Loki.

    probe.py ports N                    N free ports of 127.0.0.1, a line each
    probe.py value URL NAME [K=V ...]   sum of a metric's series with these labels, 0 when there is none
    probe.py reach URL SECONDS LEAST NAME [K=V ...]   wait until that sum is at least LEAST, 1 when it
                                        is not in time; print how many lines were sent again
    probe.py watch URL OUT              scrape until SIGTERM; then write OUT: what was seen, as JSON
    probe.py field OUT NAME             one number of such a file
    probe.py lines URL TENANT SELECTOR  the lines that are stored, by time, as they are
    probe.py memory PID                 private and resident KiB of a process

watch proves the ledger at every scrape: read = acknowledged + rejected + dropped + in flight, no counter of a
component ever goes back, and memory in use stays within the budget.
"""

import json
import os
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SERIES = re.compile(r'^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
LEDGER = "longship_entries_"
SCRAPE_PAUSE_S = 0.1
REACH_PAUSE_S = 0.003


def get(url, headers=None, timeout=10):
    with OPENER.open(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as answer:
        return answer.read()


def scrape(url):
    """[(name, labels, value)] of a /metrics page."""
    found = []
    for line in get(url + "/metrics").decode().splitlines():
        match = SERIES.match(line)
        if match:
            found.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
    return found


def total(series, name, labels=None):
    wanted = (labels or {}).items()
    return sum(value for n, have, value in series if n == name and wanted <= have.items())


def labels_of(args):
    return dict(arg.split("=", 1) for arg in args)


def reach(url, seconds, least, name, *labels):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            page = scrape(url)
            if total(page, name, labels_of(labels)) >= least:
                print(f"{total(page, 'longship_entries_resent_total'):.0f}")
                return 0
        except OSError:
            pass
        time.sleep(REACH_PAUSE_S)
    return 1


def ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    for s in sockets:
        print(s.getsockname()[1])


class Watch:
    def __init__(self):
        self.scrapes = self.failed = 0
        self.problems = []
        self.last = {}
        self.used_max = self.budget = 0

    def problem(self, text):
        if len(self.problems) < 20:
            self.problems.append(text)

    def look(self, series):
        self.scrapes += 1
        sums = {}
        for name, labels, value in series:
            if name.startswith(LEDGER):
                component = sums.setdefault(labels.get("component_id", ""), {})
                kind = name[len(LEDGER):]
                component[kind] = component.get(kind, 0) + value
        for component, has in sums.items():
            parts = [has.get(kind, 0) for kind in ("acknowledged_total", "rejected_total", "dropped_total", "in_flight")]
            if "read_total" in has and has["read_total"] != sum(parts):
                self.problem(f"{component}: read {has['read_total']:.0f} is not acknowledged + rejected + dropped + "
                             f"in flight = {' + '.join(f'{p:.0f}' for p in parts)}")
            before = self.last.get(component, {})
            for kind, value in has.items():
                if kind.endswith("_total") and value < before.get(kind, 0):
                    self.problem(f"{component}: {kind} went back from {before[kind]:.0f} to {value:.0f}")
        self.last.update(sums)
        used, self.budget = total(series, "longship_memory_used_bytes"), total(series, "longship_memory_budget_bytes")
        self.used_max = max(self.used_max, used)
        if self.budget and used > self.budget:
            self.problem(f"memory in use: {used:.0f} of {self.budget:.0f} bytes")

    def write(self, path):
        result = {"scrapes": self.scrapes, "failed": self.failed, "problems": self.problems,
                  "used_max": self.used_max, "budget": self.budget}
        for kind in ("read", "acknowledged", "rejected", "dropped", "resent"):
            result[kind] = sum(has.get(kind + "_total", 0) for has in self.last.values())
        with open(path + ".new", "w", encoding="ascii") as file:
            json.dump(result, file)
        os.rename(path + ".new", path)


def watch(url, out):
    state = Watch()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    while not stopped:
        try:
            state.look(scrape(url))
        except (OSError, ValueError):
            state.failed += 1
        state.write(out)
        time.sleep(SCRAPE_PAUSE_S)
    state.write(out)


def lines(url, tenant, selector):
    start, end = time.time_ns() - 86400 * 10**9, time.time_ns() + 3600 * 10**9
    query = urllib.parse.urlencode({"query": selector, "start": start, "end": end, "limit": 100000,
                                    "direction": "forward"})
    answer = json.loads(get(f"{url}/loki/api/v1/query_range?{query}", {"X-Scope-OrgID": tenant}, 60))
    entries = [(int(v[0]), v[1]) for s in answer["data"]["result"] for v in s["values"]]
    for _, text in sorted(entries, key=lambda e: e[0]):
        print(text)


def memory(pid):
    sums = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if len(words) == 3 and words[2] == "kB":
                sums[words[0]] = int(words[1])
    print(sums["Private_Dirty:"] + sums.get("Swap:", 0), sums["Rss:"])


def main(argv):
    command, args = argv[1], argv[2:]
    if command == "ports":
        ports(int(args[0]))
    elif command == "value":
        try:
            print(f"{total(scrape(args[0]), args[1], labels_of(args[2:])):.0f}")
        except OSError:
            print(0)
            return 1
    elif command == "reach":
        return reach(args[0], float(args[1]), float(args[2]), *args[3:])
    elif command == "watch":
        watch(args[0], args[1])
    elif command == "field":
        with open(args[0], encoding="ascii") as file:
            value = json.load(file)[args[1]]
        print("\n".join(value) if isinstance(value, list) else f"{value:.0f}")
    elif command == "lines":
        lines(*args)
    elif command == "memory":
        memory(args[0])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
