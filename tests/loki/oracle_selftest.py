#!/usr/bin/env python3
"""oracle_selftest.py URL [TENANT]: prove the delivery oracle on a running Loki.

Pushes good and spoilt sets of lines as JSON and asks oracle.py about each.
"""

import json
import os
import random
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.path.join(HERE, "..", "support", "oracle.py")
URL = sys.argv[1].rstrip("/")
TENANT = sys.argv[2] if len(sys.argv) > 2 else None
RUN = f"self{random.getrandbits(48):x}"
START = time.time_ns() - 600 * 10**9
failures = 0


def lines(stream, count):
    out = subprocess.run([sys.executable, ORACLE, "generate", "--run", RUN, "--stream", stream,
                          "--count", str(count), "-"], check=True, capture_output=True).stdout
    return out.decode().splitlines()


def push(job, entries, **labels):
    headers = {"Content-Type": "application/json"}
    if TENANT:
        headers["X-Scope-OrgID"] = TENANT
    for at in range(0, len(entries), 5000):
        values = [[str(ts), text] for ts, text in entries[at:at + 5000]]
        body = json.dumps({"streams": [{"stream": {"job": job, **labels}, "values": values}]})
        request = urllib.request.Request(URL + "/loki/api/v1/push", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 204, answer.status


def oracle(*args):
    command = [sys.executable, ORACLE, *args]
    if TENANT:
        command += ["--tenant", TENANT]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def expect(name, job, stream, count, status, words, *more):
    global failures
    got, text = oracle("check", "--loki", URL, "--selector", '{job="%s"}' % job, "--run", RUN,
                       "--stream", stream, "--count", str(count), *more)
    good = got == status and all(word in text for word in words)
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name}: {text.strip()}")


def spoilt(name, change, status, words, count=3000):
    """Push a set that `change` has worked on, each line 10 ms after the last."""
    job = f"{RUN}-{name}"
    entries = [(START + i * 10**7, text) for i, text in enumerate(lines(name, count))]
    push(job, change(entries))
    expect(name, job, name, count, status, words)


def without(numbers):
    return lambda entries: [e for i, e in enumerate(entries) if i not in numbers]


def doubled(entries):
    return entries[:500] + [(entries[500][0] - 1000, entries[499][1])] + entries[500:]


def swapped(entries):
    (a, x), (b, y) = entries[1000:1002]
    return entries[:1000] + [(a, y), (b, x)] + entries[1002:]


def broken(entries):
    ts, text = entries[7]
    return entries[:7] + [(ts, text.replace("pad=", "pad=!", 1))] + entries[8:]


def main():
    spoilt("good", lambda e: e, 0, ["ok entries=3000 lines=3000"])
    spoilt("missing", without({1234, 2000, 2001, 2999}), 1,
           ["missing=4", "seq=1234", "seq=2000..2001 (2 lines)", "seq=2999"])
    spoilt("double", doubled, 1, ["double=1", "seq=499 "])
    spoilt("order", swapped, 1, ["order=1", "seq=1000 "])
    spoilt("broken", broken, 1, ["broken=1", "missing=1", "seq=7"])
    spoilt("empty", lambda e: [], 1, ["missing=3000", "seq=0..2999"])

    # The pages: equal timestamps across their borders, several slices, and
    # one stream that arrives with two sets of labels.
    job, count = f"{RUN}-pages", 20000
    entries = [(START + i // 37 * 10**6, text) for i, text in enumerate(lines("pages", count))]
    push(job, entries)
    good = [f"ok entries={count} lines={count}"]
    expect("pages", job, "pages", count, 0, good)
    for limit in ("37", "50", "1000"):
        expect(f"pages of {limit}", job, "pages", count, 0 if limit != "37" else 2,
               good if limit != "37" else ["more than 37 entries"], "--limit", limit)
    expect("700 slices", job, "pages", count, 0, good, "--limit", "100", "--slices", "700",
           "--start", str(START), "--end", str(START + 10**9))
    job = f"{RUN}-labels"
    push(job, entries[:9990], file="old")
    push(job, entries[9990:], file="new")
    expect("two labels", job, "pages", count, 0, good, "--limit", "1000")
    expect("selector of nothing", RUN + "-none", "pages", 1, 1, ["missing=1"])

    status, text = oracle("count", "--loki", URL, "--selector", '{job="%s-pages"}' % RUN)
    good = (status, text.strip()) == (0, str(count))
    print("ok   count" if good else f"FAIL count: {status} {text}")
    print(f"{failures + (not good)} failures")
    return 1 if failures or not good else 0


if __name__ == "__main__":
    sys.exit(main())
