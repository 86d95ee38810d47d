#!/usr/bin/env python3
"""ready.py URL PID SECONDS: wait until the Loki PID is ready and takes a push."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

TENANT = "longship-probe"


def request(url, body=None):
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": TENANT}
    req = urllib.request.Request(url, data=body, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(req, timeout=5) as answer:
            return answer.status, answer.read(400)
    except urllib.error.HTTPError as error:
        return error.code, error.read(400)
    except OSError as error:
        return 0, str(error).encode()


def push(url):
    # With auth off every tenant is one: the label keeps the probe apart.
    entry = [str(time.time_ns()), "ready?"]
    stream = {"stream": {"longship_probe": "ready"}, "values": [entry]}
    return request(url + "/loki/api/v1/push", json.dumps({"streams": [stream]}).encode())


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main():
    url, pid, seconds = sys.argv[1].rstrip("/"), int(sys.argv[2]), float(sys.argv[3])
    deadline = time.monotonic() + seconds
    last = (0, b"")
    while time.monotonic() < deadline:
        if not alive(pid):
            print(f"ready.py: pid {pid} has ended", file=sys.stderr)
            return 1
        last = request(url + "/ready")
        if last[0] == 200:
            last = push(url)
            if last[0] == 204 and alive(pid):
                return 0
        time.sleep(0.2)
    print(f"ready.py: not ready after {seconds:g} s, last answer: {last[0]} "
          f"{last[1].decode(errors='replace').strip()}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
