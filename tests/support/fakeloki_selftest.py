#!/usr/bin/env python3
"""Proves fakeloki.py against what a live Loki 3.6 answered (docs: Loki's replies)."""

import http.client
import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakeloki

HOUR = 3600 * 10**9


class Case(unittest.TestCase):
    argv = ()

    def setUp(self):
        self.server = fakeloki.start(self.argv)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.http = http.client.HTTPConnection(*self.server.server_address, timeout=5)
        self.now = time.time_ns()

    def tearDown(self):
        self.http.close()
        self.server.shutdown()
        self.server.server_close()

    def ask(self, method, path, body=None, **headers):
        self.http.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = self.http.getresponse()
        return answer.status, answer.read().decode(), answer

    def push(self, *streams, **headers):
        body = {"streams": [{"stream": labels, "values": [[str(ts), *rest] for ts, *rest in values]}
                            for labels, values in streams]}
        return self.ask("POST", "/loki/api/v1/push", json.dumps(body), Content_Type="application/json", **headers)

    def fault(self, **fault):
        self.assertEqual(self.ask("POST", "/_faults", json.dumps(fault))[0], 204)

    def lines(self, selector):
        path = f'/loki/api/v1/query_range?start=1&limit=1000&direction=forward&query={selector}'
        data = json.loads(self.ask("GET", path.replace(" ", "%20").replace('"', "%22"))[1])["data"]
        return [line for stream in data["result"] for _, line in stream["values"]]

    def stats(self):
        return json.loads(self.ask("GET", "/_stats")[1])


class Rules(Case):
    def test_a_good_stream_hides_a_refusal(self):
        self.push(({"app": "a"}, [(self.now, "new")]))
        status, _, _ = self.push(({"app": "a"}, [(self.now - 2 * HOUR, "old")]), ({"app": "b"}, [(self.now, "good")]))
        self.assertEqual(status, 204)
        self.assertEqual(self.lines('{app="a"}'), ["new"])
        status, body, _ = self.push(({"app": "b"}, [(self.now, "good 2")]), ({"app": "a"}, [(self.now - 2 * HOUR, "old")]))
        self.assertEqual(status, 400)
        self.assertIn("entry too far behind", body)
        self.assertIn("user 'fake', total ignored: 1 out of 1 for stream: {app=\"a\", service_name=\"a\"}", body)
        self.assertEqual(self.lines('{app="b"}'), ["good", "good 2"])

    def test_partial_400(self):
        status, body, _ = self.push(({"app": "a"}, [(self.now, "x" * 300_000), (self.now, "good")]))
        self.assertEqual(status, 400)
        self.assertIn("max entry size '262144' bytes exceeded", body)
        self.assertEqual(self.lines('{app="a"}'), ["good"])
        status, body, _ = self.push(({"app": "a"}, [(self.now - 200 * HOUR, "old")] * 2 + [(self.now, "good 2")]))
        self.assertEqual(status, 400)
        self.assertIn("2 errors like: entry for stream", body)
        self.assertIn("timestamp too old", body)
        self.assertEqual(self.lines('{app="a"}'), ["good", "good 2"])

    def test_a_bad_label_refuses_the_push(self):
        status, body, _ = self.push(({"bad-label": "x"}, [(self.now, "x")]), ({"app": "b"}, [(self.now, "good")]))
        self.assertEqual(status, 400)
        self.assertTrue(body.startswith("couldn't parse labels: 1:5: parse error: unexpected character inside braces: '-'"), body)
        self.assertEqual(self.lines('{app="b"}'), [])
        self.assertEqual(self.push()[0], 422)
        self.assertEqual(self.push(({}, [(self.now, "x")]))[0], 400)

    def test_copies(self):
        stream = ({"app": "a"}, [(self.now + i, f"line {i}") for i in range(1000)])
        self.assertEqual([self.push(stream)[0], self.push(stream)[0]], [204, 204])
        self.assertEqual(self.count(), 1000)
        stream = ({"app": "b"}, [(self.now + i, f"line {i} " + "x" * 150) for i in range(4000)])
        self.assertEqual([self.push(stream)[0], self.push(stream)[0]], [204, 204])
        self.assertEqual(len(self.lines('{app="b"}')), 1000)    # the limit
        self.assertGreater(self.count(), 8000)

    def count(self):
        path = "/loki/api/v1/query?query=sum(count_over_time(%7Bservice_name=~%22.*%22%7D%5B60s%5D))&time=" + str(self.now + 10**9)
        return int(json.loads(self.ask("GET", path)[1])["data"]["result"][0]["value"][1])

    def test_delays(self):
        stream = ({"app": "a"}, [(self.now, f"written at={self.now - 10**9}"), (self.now, "no time of writing")])
        self.push(stream)
        self.push(stream)   # copies are not stored, and not counted
        delays = json.loads(self.ask("GET", "/_delays")[1])
        self.assertEqual(list(delays), ["fake"])
        self.assertEqual(len(delays["fake"]), 1)
        self.assertGreaterEqual(delays["fake"][0], 1000)

    def test_bodies(self):
        for headers in ({}, {"Content_Type": "application/x-protobuf"}):
            self.assertEqual(self.ask("POST", "/loki/api/v1/push", b"garbage", **headers)[0], 400)
        message = bytes.fromhex("0a1b") + b'\x0a\x07{a="b"}' + bytes.fromhex("1210") + b"\x0a\x0a\x08" + \
            bytes([self.now // 10**9 >> 7 * i & 0x7f | 0x80 for i in range(4)]) + bytes([self.now // 10**9 >> 28]) + \
            b"\x10\x80\x80\x01\x12\x02hi"
        literal = bytes([len(message), (len(message) - 1) << 2]) + message
        self.assertEqual(fakeloki.unsnappy_python(literal), message)
        self.assertEqual(self.ask("POST", "/loki/api/v1/push", literal, Content_Type="application/x-protobuf")[0], 204)
        self.assertEqual(self.lines('{a="b"}'), ["hi"])

    def test_python_snappy_copies(self):
        self.assertEqual(fakeloki.unsnappy_python(b"\x14\x0cabcd\x3e\x04\x00"), b"abcd" * 5)


class Tenants(Case):
    argv = ("--auth", "--stream-rate", "1000", "--stream-burst", "1000", "--max-streams", "2")

    def test_tenants(self):
        self.assertEqual(self.push(({"app": "a"}, [(self.now, "x")]))[0], 401)
        self.assertEqual(self.push(({"app": "a"}, [(self.now, "x")]), X_Scope_OrgID="t")[0], 204)

    def test_stream_rate(self):
        status, body, _ = self.push(({"app": "a"}, [(self.now, "x" * 600), (self.now, "y" * 600), (self.now, "z")]), X_Scope_OrgID="t")
        self.assertEqual(status, 429)
        self.assertIn("total ignored: 1 out of 3", body)
        self.assertEqual(self.stats()["stored_entries"], 2)

    def test_stream_limit(self):
        status, body, _ = self.push(*[({"app": str(i)}, [(self.now, "x")]) for i in range(3)], X_Scope_OrgID="t")
        self.assertEqual(status, 429)
        self.assertIn("maximum active stream limit exceeded", body)
        self.assertEqual(self.stats()["streams"], {"t": 2})


class Faults(Case):
    def one(self, line="x", **headers):
        return self.push(({"app": "a"}, [(self.now, line)]), **headers)

    def test_refuse(self):
        self.fault(refuse=429, times=2, body="slow down", retry_after=7)
        status, body, answer = self.one()
        self.assertEqual((status, body, answer.headers["Retry-After"]), (429, "slow down", "7"))
        self.assertEqual(self.one()[0], 429)
        self.assertEqual(self.one()[0], 204)

    def test_matching(self):
        self.fault(refuse=500, tenant="bad", times=-1)
        self.fault(refuse=502, stream='app="z"', after=1)
        self.assertEqual(self.one(X_Scope_OrgID="good")[0], 204)
        self.assertEqual(self.one(X_Scope_OrgID="bad")[0], 500)
        self.assertEqual(self.push(({"app": "z"}, [(self.now, "x")]))[0], 204)
        self.assertEqual(self.push(({"app": "z"}, [(self.now, "x")]))[0], 502)
        self.assertEqual(self.ask("DELETE", "/_faults")[0], 204)
        self.assertEqual(self.one(X_Scope_OrgID="bad")[0], 204)

    def test_broken_connections(self):
        for fault in ({"reset": True}, {"reset": "reading"}, {"garbage": True}, {"garbage": "short"}, {"hang": 0.05}):
            self.fault(**fault, store=True)
            with self.assertRaises((OSError, http.client.HTTPException), msg=fault):
                self.one()
            self.http.close()
        self.assertEqual(self.one()[0], 204)

    def test_lost_answer(self):
        self.fault(refuse=500, store=True)
        self.assertEqual(self.one()[0], 500)
        self.assertEqual(self.lines('{app="a"}'), ["x"])

    def test_partial(self):
        self.fault(partial_400={"match": "bad"})
        status, body, _ = self.push(({"app": "a"}, [(self.now, "bad 1"), (self.now, "good"), (self.now, "bad 2")]))
        self.assertEqual(status, 400)
        self.assertIn("total ignored: 2 out of 3", body)
        self.assertEqual(self.lines('{app="a"}'), ["good"])

    def test_unknown(self):
        self.assertEqual(self.ask("POST", "/_faults", '{"refse": 1}')[0], 400)


if __name__ == "__main__":
    unittest.main()
