#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replies.py URL: what a Loki with its default limits answers to pushes that it cannot store whole.

Each case is a row of docs/loki-replies.md: the pushes, the status of the last one, a part of its text, and what is stored
afterwards. Exit status 1 when Loki does otherwise: then that page and src/flow/reply.c have to follow.
"""
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SECOND = 10**9
HOUR = 3600 * SECOND
URL = sys.argv[1]
NOW = time.time_ns()
RUN = f"r{NOW}"
failed = 0


def push(streams):
    body = json.dumps({"streams": [{"stream": dict(labels, run=RUN), "values": [[str(ts), *rest] for ts, *rest in values]}
                                   for labels, values in streams]}).encode()
    request = urllib.request.Request(URL + "/loki/api/v1/push", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as reply:
        return reply.code, reply.read().decode()


def stored(name, value):
    query = urllib.parse.urlencode({"query": f'{{run="{RUN}", {name}="{value}"}}', "start": NOW - 9 * 24 * HOUR, "end": NOW + HOUR,
                                    "limit": 5000, "direction": "forward"})
    with urllib.request.urlopen(URL + "/loki/api/v1/query_range?" + query) as reply:
        result = json.load(reply)["data"]["result"]
    return sorted(line for stream in result for _, line in stream["values"])


def case(what, pushes, status, text, after):
    global failed
    for streams in pushes:
        got = push(streams)
    found = {key: stored(*key) for key in after}
    ok = got[0] == status and text in got[1] and found == after
    failed += not ok
    print(("  ok: " if ok else "  FAILED: ") + what)
    if not ok:
        print(f"    status {got[0]} (expected {status}), text {got[1]!r} (with {text!r}), stored {found} (expected {after})")


late = NOW - 2 * HOUR
case("a late line, then another stream's good one: 204, the late line is lost without a word",
     [[({"a": "1"}, [(NOW, "new")])], [({"a": "1"}, [(late, "late")]), ({"b": "1"}, [(NOW, "good")])]],
     204, "", {("a", "1"): ["new"], ("b", "1"): ["good"]})
case("the good stream first: 400, and the count",
     [[({"a": "2"}, [(NOW, "new")])], [({"b": "2"}, [(NOW, "good")]), ({"a": "2"}, [(late, "late")])]],
     400, "total ignored: 1 out of 1 for stream", {("a", "2"): ["new"], ("b", "2"): ["good"]})
case("one of two lines is too far behind: the other is stored",
     [[({"a": "3"}, [(NOW, "new")])], [({"a": "3"}, [(late, "late"), (NOW + 1, "good")])]],
     400, "total ignored: 1 out of 2 for stream", {("a", "3"): ["good", "new"]})
case("twenty of 21 are too far behind: ten are named, all are counted",
     [[({"a": "4"}, [(NOW, "new")])],
      [({"a": "4"}, [(late - i, f"late{i}") for i in range(20)] + [(NOW + 2, "good")])]],
     400, "total ignored: 20 out of 21 for stream", {("a", "4"): ["good", "new"]})
case("one line is too old for reject_old_samples_max_age",
     [[({"a": "5"}, [(NOW - 200 * HOUR, "old"), (NOW, "good")])]],
     400, "has timestamp too old", {("a", "5"): ["good"]})
case("twenty are: equal errors are grouped with their number",
     [[({"a": "6"}, [(NOW - 200 * HOUR - i, f"old{i}") for i in range(20)] + [(NOW, "good")])]],
     400, "20 errors like: entry for stream", {("a", "6"): ["good"]})
case("one line is from the future",
     [[({"a": "7"}, [(NOW + 3 * HOUR, "future"), (NOW, "good")])]],
     400, "has timestamp too new", {("a", "7"): ["good"]})
case("one line is over 262,144 bytes",
     [[({"a": "8"}, [(NOW, "x" * 300000), (NOW + 1, "good")])]],
     400, "max entry size '262144' bytes exceeded", {("a", "8"): ["good"]})
case("a label's name does not parse: the whole push is refused",
     [[({"a-b": "9"}, [(NOW, "x")]), ({"b": "9"}, [(NOW, "good")])]],
     400, "couldn't parse labels", {("b", "9"): []})
case("one stream has too many labels: the other is stored",
     [[(dict({f"l{i}": "1" for i in range(20)}, a="10"), [(NOW, "x")]), ({"b": "10"}, [(NOW, "good")])]],
     400, "label names; limit 15", {("a", "10"): [], ("b", "10"): ["good"]})
case("a label's value is over 2,048 bytes: the other stream is stored",
     [[({"a": "11", "l": "x" * 2049}, [(NOW, "x")]), ({"b": "11"}, [(NOW, "good")])]],
     400, "has label value too long: 'xx", {("a", "11"): [], ("b", "11"): ["good"]})
case("a label's name is over 1,024 bytes: the other stream is stored",
     [[({"a": "12", "l" * 1025: "x"}, [(NOW, "x")]), ({"b": "12"}, [(NOW, "good")])]],
     400, "has label name too long: 'll", {("a", "12"): [], ("b", "12"): ["good"]})
case("structured metadata is over 64 KiB: the other line is stored",
     [[({"a": "13"}, [(NOW, "much", {"m": "x" * 66000}), (NOW + 1, "good")])]],
     400, "has structured metadata too large: '66001' bytes, limit: '65536' bytes", {("a", "13"): ["good"]})
case("structured metadata has more than 128 pairs: the other line is stored",
     [[({"a": "14"}, [(NOW, "many", {f"m{i}": "x" for i in range(129)}), (NOW + 1, "good")])]],
     400, "has too many structured metadata labels: '129', limit: '128'", {("a", "14"): ["good"]})
case("an old line that is too long, too: it is named once, as old",
     [[({"a": "15"}, [(NOW - 200 * HOUR, "x" * 300000), (NOW, "x" * 300001), (NOW + 1, "good")])]],
     400, "1 errors like: max entry size '262144' bytes exceeded for stream", {("a", "15"): ["good"]})
case("an ingester's refusal hides the distributor's",
     [[({"a": "16"}, [(NOW, "new")])], [({"a": "16"}, [(NOW + 1, "x" * 300000), (late, "late")])]],
     400, "total ignored: 1 out of 1 for stream", {("a", "16"): ["new"]})
case("no stream at all: 422", [[]], 422, "at least one valid stream", {})
sys.exit(failed > 0)
