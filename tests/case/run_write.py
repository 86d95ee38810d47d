#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs loki.write cases: what longship pushes to a server that answers as the case says.

usage: run_write.py LONGSHIP CASES.jsonl…

A case is one JSON object a line, by its `op`:
    label_string     in (labels), out (how they stand in a push)
    external_labels  external_labels, in, out (labels)
    batch            max_streams, batch_size, in, accepted (whether the first request has each), streams
    endpoint         endpoint (arguments), server_status, in, requests, sent_entries (by tenant), dropped_entries (by reason)
    config           config (of loki.write), config_error or config_ok

Entries come through loki.source.api. longship sends nothing without labels and no names that Loki cannot read: entries get one more
label, and cases of other names are skipped.
"""
import collections
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fakeloki  # noqa: E402

SECONDS = 20
EXTRA = "zz_case"  # sorts behind all labels of the cases


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests.append((self.headers.get("X-Scope-OrgID", ""), raw_streams(fakeloki.unsnappy(body))))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def raw_streams(body):
    """[(labels as text, [line…])…] of a push."""
    out = []
    for _, stream in fakeloki.fields(body):
        labels, lines = "", []
        for number, value in fakeloki.fields(stream):
            if number == 1:
                labels = value.decode()
            elif number == 2:
                lines.append(next((v.decode() for n, v in fakeloki.fields(value) if n == 2), ""))
        out.append((labels, lines))
    return out


def without_extra(labels):
    return re.sub(r'(, )?%s="1"}$' % EXTRA, "}", labels)


def value(v):
    return json.dumps(v)


class Longship:
    def __init__(self, program, directory, port, case):
        endpoint = dict({"batch_wait": "50ms"}, **case.get("endpoint", {}))
        if "batch_size" in case:
            endpoint["batch_size"] = "%dB" % case["batch_size"]
        self.http, self.api = take_ports(2)
        config = """loki.source.api "in" {
	http {
		listen_address = "127.0.0.1"
		listen_port = %d
	}
	use_incoming_timestamp = true
	forward_to = [loki.write.w.receiver]
}
loki.write "w" {
	max_streams = %d
	external_labels = %s
	endpoint {
		url = "http://127.0.0.1:%d/loki/api/v1/push"
%s	}
}
""" % (self.api, case.get("max_streams", 0), "{%s}" % ", ".join("%s = %s" % (value(k), value(v)) for k, v in case.get("external_labels", {}).items()),
            port, "".join("\t\t%s = %s\n" % (k, value(v)) for k, v in endpoint.items()))
        path = os.path.join(directory, "config.alloy")
        with open(path, "w") as f:
            f.write(config)
        self.log = open(os.path.join(directory, "log"), "w+")
        self.process = subprocess.Popen([program, "run", "--server.http.listen-addr=127.0.0.1:%d" % self.http, "--lanes=1",
                                         "--storage.path=" + os.path.join(directory, "data"), path], stdout=self.log, stderr=self.log)
        self.wait(lambda: urllib.request.urlopen("http://127.0.0.1:%d/ready" % self.api, timeout=5).status == 200, "starts")

    def wait(self, condition, what):
        end = time.monotonic() + SECONDS
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                self.log.seek(0)
                raise AssertionError("%s: not within %d s; %s" % (what, SECONDS, self.log.read()[-500:]))
            time.sleep(0.01)

    def push(self, entries):
        """Entries of one tenant, each a stream of its own."""
        tenant = entries[0]["labels"].get("__tenant_id__")
        streams = [{"stream": dict({k: v for k, v in e["labels"].items() if k != "__tenant_id__"}, **{EXTRA: "1"}),
                    "values": [[str(stamp(e, i)), e["line"]]]} for i, e in enumerate(entries)]
        headers = {"Content-Type": "application/json"}
        if tenant is not None:
            headers["X-Scope-OrgID"] = tenant
        request = urllib.request.Request("http://127.0.0.1:%d/loki/api/v1/push" % self.api, json.dumps({"streams": streams}).encode(), headers)
        try:
            urllib.request.urlopen(request, timeout=SECONDS).read()
        except urllib.error.HTTPError:
            pass  # what is refused is refused to the client, too

    def metrics(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.http, timeout=10) as page:
            return page.read().decode()

    def counts(self, name, label):
        out = collections.Counter()
        for labels, number in re.findall(r"^%s\{(.*)\} (\S+)$" % name, self.metrics(), re.M):
            out[re.search(r'\b%s="([^"]*)"' % label, labels)[1]] += int(float(number))
        return out

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def take_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def stamp(entry, i):
    if "ts" not in entry:
        return time.time_ns() + i
    return int(time.mktime(time.strptime(entry["ts"][:19] + "UTC", "%Y-%m-%dT%H:%M:%S%Z")) - time.timezone) * 10**9


def run(program, case, directory):
    if case["op"] == "config":
        return run_config(program, case, directory)
    server = Server(("127.0.0.1", 0), Handler)
    server.lock, server.requests, server.status = threading.Lock(), [], case.get("server_status", 204)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    longship = Longship(program, directory, server.server_address[1], case)
    try:
        entries = case["in"] if isinstance(case["in"], list) else [{"labels": case["in"], "line": "x"}]
        for group in grouped(entries):
            time.sleep(group[0].get("sleep_ms_before", 0) / 1000)
            longship.push(group)
        check(case, longship, server, entries)
    finally:
        longship.stop()
        server.shutdown()
        server.server_close()


def grouped(entries):
    """What goes out in one push: of one tenant, and without a wait between."""
    out = []
    for e in entries:
        if out and "sleep_ms_before" not in e and e["labels"].get("__tenant_id__") == out[-1][0]["labels"].get("__tenant_id__"):
            out[-1].append(e)
        else:
            out.append([e])
    return out


def settled(longship, n):
    return sum(longship.counts("longship_entries_acknowledged_total", "component_id").values()) + \
        sum(longship.counts("longship_entries_rejected_total", "reason").values()) >= n


def check(case, longship, server, entries):
    longship.wait(lambda: settled(longship, len(entries)), "all is settled")
    with server.lock:
        requests = [(tenant, [(without_extra(labels), lines) for labels, lines in streams]) for tenant, streams in server.requests]
    if case["op"] in ("label_string", "external_labels"):
        labels = requests[0][1][0][0]
        want = case["out"] if case["op"] == "label_string" else \
            "{" + ", ".join("%s=%s" % (k, json.dumps(v)) for k, v in sorted(case["out"].items())) + "}"
        assert labels == want, "%s, not %s" % (labels, want)
    elif case["op"] == "batch":
        lines = collections.Counter((labels, line) for labels, all in requests[0][1] for line in all)
        accepted = []
        for e in entries:
            key = ("{" + ", ".join("%s=%s" % (k, json.dumps(v)) for k, v in sorted(e["labels"].items())) + "}", e["line"])
            accepted.append(lines[key] > 0)
            lines[key] -= 1
        assert accepted == case["accepted"], accepted
        assert "streams" not in case or sorted(labels for labels, _ in requests[0][1]) == case["streams"], requests
    else:
        want = [(r["tenant"], [(s["labels"], s["lines"]) for s in r["streams"]]) for r in case["requests"]]
        if case.get("unordered"):
            requests, want = sorted(requests), sorted(want)
        assert requests == want, "%s, not %s" % (requests, want)
        sent = longship.counts("loki_write_sent_entries_total", "tenant")
        assert all(sent[t] == n for t, n in case["sent_entries"].items()), sent
        dropped = +longship.counts("loki_write_dropped_entries_total", "reason")
        assert dropped == case["dropped_entries"], dropped


def run_config(program, case, directory):
    path = os.path.join(directory, "config.alloy")
    with open(path, "w") as f:
        f.write('loki.write "w" {\n%s\n}\n' % case["config"])
    done = subprocess.run([program, "validate", path], capture_output=True, text=True)
    if case.get("config_error") is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1 and case["config_error"].lower() in done.stderr.lower(), done.stderr


def reason_to_skip(case):
    if case["op"] == "label_string" and any(not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", k) for k in case["in"]):
        return "Loki reads no such names, longship sends none"
    if case["op"] == "label_string" and not any(case["in"].values()):
        return "a stream without a value has no label for Loki"
    if case["op"] == "label_string" and any(k.startswith("__") for k in case["in"]):
        return "loki.source.api takes no such labels"
    return None


def main():
    passed = failed = skipped = 0
    for path in sys.argv[2:]:
        for line in open(path):
            case = json.loads(line)
            why = reason_to_skip(case)
            if why:
                print("%s: skipped: %s" % (case["id"], why))
                skipped += 1
                continue
            with tempfile.TemporaryDirectory(prefix="longship-write.") as directory:
                try:
                    run(sys.argv[1], case, directory)
                    passed += 1
                except AssertionError as e:
                    failed += 1
                    print("%s: %s\n  %s" % (case["id"], case.get("notes", ""), e))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
