#!/usr/bin/env python3
"""loki.source.api of the real binary, in front of the fake Loki.  LONGSHIP names the binary."""

import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import fakeloki

LONGSHIP = os.path.abspath(os.environ.get("LONGSHIP", os.path.join(HERE, "..", "..", "build", "longship")))
PATIENCE = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def protobuf(streams):
    """[(labels, [(ns or None, line, [(name, value)])])]"""
    body = b""
    for labels, entries in streams:
        stream = field(1, labels.encode())
        for ns, line, metadata in entries:
            seconds, nanos = divmod(ns, 10**9) if ns is not None else (-62135596800, 0)
            stamp = (b"\x08" + varint(seconds) if seconds else b"") + (b"\x10" + varint(nanos) if nanos else b"")
            entry = field(1, stamp) + field(2, line.encode())
            for name, value in metadata:
                entry += field(3, field(1, name.encode()) + field(2, value.encode()))
            stream += field(2, entry)
        body += field(1, stream)
    return body


def snap(data):
    """A snappy block of literals."""
    out = varint(len(data))
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += bytes([len(piece) - 1 << 2]) + piece
    return out


def json_body(*streams):
    return json.dumps({"streams": [{"stream": labels, "values": [[str(ns), *rest] for ns, *rest in values]}
                                   for labels, values in streams]}).encode()


class Case(unittest.TestCase):
    arguments = ""
    blocks = ""
    http_block = ""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="longship-push-")
        self.loki = fakeloki.start(["--no-service-name", "--auth", "--reject-old", "0"])
        threading.Thread(target=self.loki.serve_forever, args=(0.02,), daemon=True).start()
        self.port, self.own_port = free_port(), free_port()
        self.prepare()
        self.write_config()
        self.log = open(os.path.join(self.dir, "log"), "w")
        self.process = subprocess.Popen(
            [LONGSHIP, "run", f"--storage.path={self.dir}/data", f"--server.http.listen-addr=127.0.0.1:{self.own_port}",
             f"{self.dir}/config.alloy"], stdout=self.log, stderr=subprocess.STDOUT)
        self.wait(self.is_ready, "ready")
        self.now = time.time_ns()

    def prepare(self):
        pass

    def write_config(self, arguments=None):
        with open(os.path.join(self.dir, "config.alloy"), "w") as f:
            f.write(f'''
                loki.source.api "in" {{
                    http {{
                        listen_address = "127.0.0.1"
                        listen_port = {self.port}
                        {self.http_block}
                    }}
                    {self.arguments if arguments is None else arguments}
                    forward_to = [loki.write.out.receiver]
                }}
                {self.blocks}
                loki.write "out" {{
                    endpoint {{
                        url = "http://127.0.0.1:{self.loki.server_address[1]}/loki/api/v1/push"
                        tenant_id = "t"
                        min_backoff_period = "50ms"
                        max_backoff_period = "200ms"
                        remote_timeout = "2s"
                    }}
                }}''')

    def tearDown(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.loki.shutdown()
        self.loki.server_close()
        self.log.close()
        with open(self.log.name) as f:
            text = f.read()
        if self.process.returncode != 0:
            print(text, file=sys.stderr)
        shutil.rmtree(self.dir)
        self.assertEqual(self.process.returncode, 0)

    def wait(self, what, name):
        end = time.time() + PATIENCE
        while not what():
            self.assertIsNone(self.process.poll(), "longship has ended")
            self.assertLess(time.time(), end, f"waiting for: {name}")
            time.sleep(0.02)

    def is_ready(self):
        try:
            return self.ask("GET", "/ready")[:2] == (200, "ready")
        except OSError:
            return False

    def connect(self, timeout=PATIENCE):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers={}, timeout=PATIENCE):
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def push_json(self, *streams, path="/loki/api/v1/push", **headers):
        return self.ask("POST", path, json_body(*streams),
                        {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}})

    def push(self, streams, path="/loki/api/v1/push", **headers):
        return self.ask("POST", path, snap(protobuf(streams)),
                        {"Content-Type": "application/x-protobuf", **{k.replace("_", "-"): v for k, v in headers.items()}})

    def stored(self, tenant="t"):
        """[(labels, ns, line, metadata)] in order of storing."""
        with self.loki.loki.lock:
            t = self.loki.loki.tenants.get(tenant)
            return [(s.labels, e[0], e[1].decode(), list(e[2])) for s in (t.streams.values() if t else ()) for e in s.entries]

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.own_port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        out = {}
        for line in text.splitlines():
            if line and line[0] != "#":
                name, value = line.rsplit(" ", 1)
                out[name.replace('component_id="loki.source.api.in",component_path="/"', "").replace("{}", "").replace("{,", "{")] = float(value)
        return out

    def ledger(self):
        m = self.metrics()
        total = lambda name: sum(v for k, v in m.items() if k.split("{")[0] == name and "loki.write" not in k)
        return [total(f"longship_entries_{n}") for n in ("read_total", "acknowledged_total", "rejected_total", "dropped_total", "in_flight")]

    def fault(self, **fault):
        self.loki.faults.add(fault)


class IncomingTimestamps(Case):
    arguments = 'labels = { pushserver = "p" }\nuse_incoming_timestamp = true'

    def test_protobuf(self):
        status, body, _ = self.push([('{stream="s1", __drop="x"}', [(1, "line0", [("i", "0"), ("b", "v")]), (99 * 10**9, "line99", [])])])
        self.assertEqual((status, body), (204, ""))
        labels = {"pushserver": "p", "stream": "s1"}
        self.assertEqual(self.stored(), [(labels, 1, "line0", [("i", "0"), ("b", "v")]), (labels, 99 * 10**9, "line99", [])])
        self.assertEqual(self.ledger(), [2, 2, 0, 0, 0])

    def test_encodings(self):
        body = json_body(({"a": "b"}, [(self.now, "grüße\n", {"m": "1"})]))
        raw = zlib.compressobj(wbits=-15)
        proto = snap(protobuf([('{a="b"}', [(self.now, "proto", [])])]))
        for i, (encoding, kind, data) in enumerate([
                ("gzip", "application/json; charset=utf-8", gzip.compress(body)),
                ("deflate", "application/json", raw.compress(body) + raw.flush()),
                ("deflate", "Application/JSON", zlib.compress(body)),
                ("snappy", "application/json", body),
                ("snappy", "application/json", snap(body)),
                ("snappy", "application/x-protobuf", proto),
                ("gzip", "application/x-protobuf", gzip.compress(proto))]):
            status, text, _ = self.ask("POST", "/api/v1/push", data, {"Content-Type": kind, "Content-Encoding": encoding})
            self.assertEqual((status, text), (204, ""), (encoding, kind))
        self.assertEqual({(ns, line) for _, ns, line, _ in self.stored()}, {(self.now, "grüße\n"), (self.now, "proto")})

    def test_refusals(self):
        for headers, body, want, text in [
                ({"Content-Type": "application/json"}, b"{", 400, "malformed JSON"),
                ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{", 400, "corrupt"),
                ({"Content-Type": "application/json", "Content-Encoding": "br"}, b"{", 400, 'Content-Encoding "br" not supported'),
                ({"Content-Type": "application/x-protobuf"}, b"garbage", 400, "snappy"),
                ({"Content-Type": "application/x-protobuf"}, snap(b"\xff"), 400, "malformed"),
                ({}, b"{}", 400, "media type")]:
            status, answer, _ = self.ask("POST", "/loki/api/v1/push", body, headers)
            self.assertEqual(status, want, headers)
            self.assertIn(text, answer)
        self.assertEqual(self.ask("GET", "/loki/api/v1/push")[0], 405)
        self.assertEqual(self.ask("GET", "/metrics")[0], 404)
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.ledger(), [0, 0, 0, 0, 0])

    def test_bad_streams_are_skipped(self):
        status, text, _ = self.push([('{stream="s","bad', [(1, "lost", [])]), ('{stream="s"}', [(1, "kept", [])])])
        self.assertEqual(status, 400)
        self.assertIn("parse error", text)
        self.assertEqual([line for _, _, line, _ in self.stored()], ["kept"])

    def test_tenant(self):
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "x")]), X_Scope_OrgID="other")[0], 204)
        self.assertEqual([line for _, _, line, _ in self.stored("other")], ["x"])

    def test_large_push(self):
        count = 50_000
        body = gzip.compress(json_body(*(({"n": str(n)}, [(self.now + i, f"line {i} " + "x" * (i % 300)) for i in range(n, count, 2)])
                                         for n in range(2))))
        status, text, _ = self.ask("POST", "/api/v1/push", body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        self.assertEqual((status, text), (204, ""))
        stored = self.stored()
        self.assertEqual(len(stored), count)
        for n in range(2):
            self.assertEqual([ns - self.now for labels, ns, _, _ in stored if labels["n"] == str(n)], list(range(n, count, 2)))
        self.assertEqual(self.ledger(), [count, count, 0, 0, 0])

    def test_many_clients(self):
        failed = []

        def client(n):
            connection = self.connect()
            for i in range(20):
                connection.request("POST", "/api/v1/push", json_body(({"c": str(n)}, [(self.now + i, f"{n} {i}")])),
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 204:
                    failed.append(answer.status)
            connection.close()
        threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])
        self.assertEqual(len(self.stored()), 400)

    def test_the_answer_waits_for_loki(self):
        self.fault(refuse=500, times=3)
        began = time.time()
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "x")]))[0], 204)
        self.assertGreater(time.time() - began, 0.05)
        self.assertEqual(len(self.stored()), 1)

    def test_refused_by_loki_is_settled(self):
        self.fault(partial_400={"match": "bad"})
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "bad"), (self.now, "good")]))[0], 204)
        self.assertEqual([line for _, _, line, _ in self.stored()], ["good"])
        self.assertEqual(self.ledger(), [2, 1, 1, 0, 0])

    def test_a_reload_gives_up_what_is_under_way(self):
        self.fault(refuse=500, times=-1)
        answer = []
        t = threading.Thread(target=lambda: answer.append(self.push_json(({"a": "b"}, [(self.now, "x")]))))
        t.start()
        self.wait(lambda: self.loki.loki.stats["pushes"] > 0, "a first attempt")
        self.write_config('labels = { changed = "yes" }')
        self.process.send_signal(signal.SIGHUP)
        t.join(PATIENCE)
        self.assertEqual(answer[0][0], 503)
        self.assertEqual(answer[0][2]["Retry-After"], "1")
        self.loki.faults.list.clear()
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "x")]))[0], 204)
        self.assertEqual([(labels, line) for labels, _, line, _ in self.stored()], [({"a": "b", "changed": "yes"}, "x")])

    def test_while_loki_is_down(self):
        self.fault(refuse=500, times=-1)
        began = time.time()
        status, _, headers = self.push_json(({"a": "b"}, [(self.now, "x")]))
        self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        self.assertTrue(5 < time.time() - began < 12)
        self.loki.faults.list.clear()
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "x")]))[0], 204)
        self.assertEqual(len(self.stored()), 1)

    def test_a_client_that_goes(self):
        self.fault(refuse=500, times=-1)
        with self.assertRaises(TimeoutError):
            self.ask("POST", "/api/v1/push", json_body(({"a": "b"}, [(self.now, "x")])), {"Content-Type": "application/json"}, timeout=0.5)
        self.wait(lambda: self.metrics()['loki_source_api_inflight_requests{method="POST",route="api_v1_push"}'] == 0, "gone")
        self.loki.faults.list.clear()
        self.wait(lambda: len(self.stored()) == 1, "its entry")
        self.assertEqual(self.ledger(), [1, 1, 0, 0, 0])

    def test_stopping_with_a_push_under_way(self):
        self.fault(hang=True, times=-1)
        answer = []

        def client():
            try:
                answer.append(self.push_json(({"a": "b"}, [(self.now, "x")]))[0])
            except (OSError, http.client.HTTPException):
                answer.append("cut")
        t = threading.Thread(target=client)
        t.start()
        self.wait(lambda: self.metrics()['loki_source_api_inflight_requests{method="POST",route="loki_api_v1_push"}'] == 1, "the push")
        self.process.terminate()
        t.join(PATIENCE * 2)
        self.assertIn(answer, ([503], ["cut"]))


class ArrivalTimes(Case):
    arguments = 'labels = { a = "1", stream = "fixed" }\nmax_send_message_size = "1KiB"'

    def test_times_are_those_of_arrival(self):
        self.assertEqual(self.push([('{stream="s"}', [(10 * 10**9, "x", []), (None, "y", [])])])[0], 204)
        stored = self.stored()
        self.assertEqual([line for _, _, line, _ in stored], ["x", "y"])
        for labels, ns, _, _ in stored:
            self.assertEqual(labels, {"a": "1", "stream": "fixed"})
            self.assertTrue(self.now <= ns <= time.time_ns())
        self.assertLess(stored[0][1], stored[1][1])

    def test_raw(self):
        for path in ("/loki/api/v1/raw", "/api/v1/raw"):
            self.assertEqual(self.ask("POST", path, b"x\r\n\n\r\ny")[:2], (204, ""))
        self.assertEqual(self.ask("POST", "/api/v1/raw", b"z", {"X-Scope-OrgID": "other"})[:2], (204, ""))
        self.assertEqual([line for _, _, line, _ in self.stored("other")], ["z"])
        self.assertEqual([(labels, line) for labels, _, line, _ in self.stored()],
                         [({"a": "1", "stream": "fixed"}, line) for line in ("x", "y", "x", "y")])

    def test_too_large(self):
        status, text, _ = self.push([('{stream="s"}', [(1, "x" * 2000, [])])])
        self.assertEqual(status, 400)
        self.assertIn("message size too large", text)
        # Small on the wire, large when unpacked.
        status, text, _ = self.ask("POST", "/api/v1/push", gzip.compress(json_body(({"a": "b"}, [(1, "x" * 5000)]))),
                                   {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        self.assertEqual(status, 400)
        self.assertIn("message size too large", text)
        self.assertEqual(self.ask("POST", "/api/v1/raw", b"x" * 2000)[0], 413)
        self.assertEqual(self.stored(), [])


class Tls(Case):
    def prepare(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{self.dir}/key", "-out", f"{self.dir}/cert",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stderr=subprocess.DEVNULL)
        self.http_block = f'''tls {{
            cert_file = "{self.dir}/cert"
            key_file  = "{self.dir}/key"
            client_ca_file = "{self.dir}/cert"
            client_auth_type = "RequireAndVerifyClientCert"
        }}'''

    def connect(self, timeout=PATIENCE):
        context = ssl.create_default_context(cafile=f"{self.dir}/cert")
        if self.with_certificate:
            context.load_cert_chain(f"{self.dir}/cert", f"{self.dir}/key")
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    with_certificate = True

    def test_client_certificates(self):
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "x")]))[0], 204)
        self.with_certificate = False
        self.assertEqual(self.push_json(({"a": "b"}, [(self.now, "y")]))[0], 401)
        self.assertEqual([line for _, _, line, _ in self.stored()], ["x"])


class Configuration(unittest.TestCase):
    def validate(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".alloy") as f:
            f.write(f'loki.source.api "in" {{\nforward_to = []\n{text}\n}}\n')
            f.flush()
            done = subprocess.run([LONGSHIP, "validate", f.name], capture_output=True, text=True, timeout=PATIENCE)
            return done.returncode, done.stdout + done.stderr

    def test_what_cannot_be_honoured_is_refused(self):
        self.assertEqual(self.validate("")[0], 0)
        self.assertEqual(self.validate("http {\nlisten_port = 1\n}")[0], 0)
        for text, want in [("grpc {\n}", "grpc"), ("http {\nhttp2 {\n}\n}", "http2"), ("http {\nlisten_port = 70000\n}", "70000"),
                           ("http {\ntls {\n}\n}", "cert"), ("unknown = 1", "unknown")]:
            status, output = self.validate(text)
            self.assertEqual(status, 1, text)
            self.assertIn(want, output)


class Unpleasant(Case):
    def test_a_stream_without_labels_is_skipped(self):
        self.assertEqual(self.push([('{__only="internal"}', [(1, "x", []), (2, "y", [])]), ('{}', [(1, "z", [])])])[0], 204)
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.ledger(), [3, 0, 0, 3, 0])

    def test_garbage_on_the_wire(self):
        for data in (b"\x16\x03\x01\x02\x00\x01", b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                     b"GET " + b"x" * 100_000, b"POST /api/v1/push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"):
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    s.recv(1000)
                except OSError:
                    pass
        self.assertTrue(self.is_ready())


if __name__ == "__main__":
    unittest.main()
