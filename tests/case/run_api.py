#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs loki.source.api cases: what longship answers to a request, and what it forwards.

usage: run_api.py LONGSHIP CASES.jsonl…

A case is one JSON object a line:
    component  arguments of loki.source.api (labels, use_incoming_timestamp, max_send_message_size, …)
    rules      relabel rules, as objects
    request    path, headers, and streams ([{labels: text, entries: [{ts_ns, line, structured_metadata: [[name, value]…]}…]}…], sent as protobuf
               and snappy) or body (text)
    status     of the answer; error: a text that it has
    out        [{labels, line, ts (null: the time of arrival), structured_metadata}…] in any order; the tenant of a request stands
               under the label __tenant_id__

What is forwarded goes through loki.write to a server here.
"""
import datetime
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fakeloki  # noqa: E402
from run_write import Server, take_ports, value  # noqa: E402

SECONDS = 20
ARRIVAL_NS = 60 * 10**9


# ---- Protobuf and snappy, written

def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def timestamp(ns):
    return varint(1 << 3) + varint(ns // 10**9) + varint(2 << 3) + varint(ns % 10**9)


def entry(e):
    pairs = b"".join(field(3, field(1, k.encode()) + field(2, v.encode())) for k, v in e.get("structured_metadata", []))
    return field(1, timestamp(int(e.get("ts_ns", 0)))) + field(2, e["line"].encode()) + pairs


def push_body(streams):
    message = b"".join(field(1, field(1, s["labels"].encode()) + b"".join(field(2, entry(e)) for e in s["entries"])) for s in streams)
    literals = b""
    for at in range(0, len(message), 60):
        piece = message[at:at + 60]
        literals += bytes([(len(piece) - 1) << 2]) + piece
    return varint(len(message)) + literals


# ---- The two ends

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = fakeloki.unsnappy(self.rfile.read(int(self.headers["Content-Length"])))
        tenant = self.headers.get("X-Scope-OrgID")
        with self.server.lock:
            for labels, entries in fakeloki.decode_protobuf(body):
                have = fakeloki.parse_labels(labels)
                if tenant is not None:
                    have["__tenant_id__"] = tenant
                self.server.entries += [(have, stamp, line.decode(), dict(pairs)) for stamp, line, pairs in entries]
        self.send_response(204)
        self.end_headers()


def block(name, arguments, indent="\t"):
    return "".join("%s%s = %s\n" % (indent, k, block_value(v)) for k, v in arguments.items())


def block_value(v):
    if isinstance(v, dict):
        return "{%s}" % ", ".join("%s = %s" % (value(k), value(x)) for k, x in v.items())
    return value(v)


class Longship:
    def __init__(self, program, directory, port, case):
        self.http, self.api = take_ports(2)
        rules = "".join("\trule {\n%s\t}\n" % block("rule", r, "\t\t") for r in case.get("rules", []))
        with open(os.path.join(directory, "config.alloy"), "w") as f:
            f.write("""loki.source.api "in" {
	http {
		listen_address = "127.0.0.1"
		listen_port    = %d
	}
%s	relabel_rules = loki.relabel.r.rules
	forward_to    = [loki.write.w.receiver]
}
loki.relabel "r" {
	forward_to = []
%s}
loki.write "w" {
	endpoint {
		url        = "http://127.0.0.1:%d/loki/api/v1/push"
		batch_wait = "20ms"
	}
}
""" % (self.api, block("in", case.get("component", {})), rules, port))
        self.log = open(os.path.join(directory, "log"), "w+")
        self.process = subprocess.Popen([program, "run", "--server.http.listen-addr=127.0.0.1:%d" % self.http, "--lanes=1",
                                         "--storage.path=" + os.path.join(directory, "data"), f.name], stdout=self.log, stderr=self.log)
        self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + SECONDS
        while True:
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/ready" % self.api, timeout=5).read()
                return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                self.log.seek(0)
                raise AssertionError("does not start: %s" % self.log.read()[-500:])
            time.sleep(0.01)

    def ask(self, request):
        headers = dict(request.get("headers", {}))
        if "streams" in request:
            headers.setdefault("Content-Type", "application/x-protobuf")
            body = push_body(request["streams"])
        else:
            headers.setdefault("Content-Type", "text/plain")
            body = request.get("body", "").encode()
        url = "http://127.0.0.1:%d%s" % (self.api, request["path"])
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


# ---- A case

def nanoseconds(text):
    head, _, rest = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(head).replace(tzinfo=datetime.timezone.utc)
    return int(at.timestamp()) * 10**9 + int((rest + "0" * 9)[:9])


def matches(want, got, now):
    labels, stamp, line, metadata = got
    if "ts" in want and want["ts"] is not None:
        in_time = stamp == nanoseconds(want["ts"])
    else:
        in_time = abs(stamp - now) < ARRIVAL_NS
    return labels == want["labels"] and line == want["line"] and metadata == want.get("structured_metadata", {}) and in_time


def run(program, case, directory):
    server = Server(("127.0.0.1", 0), Handler)
    server.lock, server.entries = threading.Lock(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    longship = Longship(program, directory, server.server_address[1], case)
    try:
        # An answer comes when the entries are stored: nothing is waited for.
        status, text = longship.ask(case["request"])
        now = time.time_ns()
        with server.lock:
            left = list(server.entries)
    finally:
        longship.stop()
        server.shutdown()
        server.server_close()
    assert status == case["status"], "answer %d, not %d: %s" % (status, case["status"], text)
    assert case.get("error", "") in text, "the answer is %r" % text
    for want in case["out"]:
        found = next((got for got in left if matches(want, got, now)), None)
        assert found is not None, "%s did not come; there is %s" % (want, left)
        left.remove(found)
    assert not left, "more came: %s" % left


def main():
    passed = failed = 0
    for path in sys.argv[2:]:
        for line in open(path):
            case = json.loads(line)
            with tempfile.TemporaryDirectory(prefix="longship-api.") as directory:
                try:
                    run(sys.argv[1], case, directory)
                    passed += 1
                except AssertionError as e:
                    failed += 1
                    print("%s: %s\n  %s" % (case["id"], case.get("notes", ""), e))
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
