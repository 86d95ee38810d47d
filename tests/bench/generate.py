#!/usr/bin/env python3
"""generate.py W1|W2|logfmt|cri BYTES: log lines of a workload (see bench.sh) on standard output, the same in every run."""

import datetime
import random
import sys


def w1(rng, n, at):
    return '%d.%d.%d.%d - - [%s] "%s /%s/%s/%d HTTP/1.1" %d %d "https://%s.example.com/" "%s"\n' % (
        rng.randrange(1, 224), rng.randrange(256), rng.randrange(256), rng.randrange(1, 255),
        at.strftime("%d/%b/%Y:%H:%M:%S +0000"), rng.choice(METHODS), rng.choice(WORDS), rng.choice(WORDS),
        rng.randrange(100000), rng.choice(STATUS), rng.randrange(200, 50000), rng.choice(WORDS), rng.choice(AGENTS))


def w2(rng, n, at):
    return ('{"ts":"%s","level":"%s","logger":"%s.%s","msg":"%s %s %s","request_id":"%016x","user_id":%d,'
            '"duration_ms":%.3f,"path":"/%s/%s/%d","status":%d}\n') % (
        at.strftime("%Y-%m-%dT%H:%M:%S.") + "%09dZ" % (at.microsecond * 1000 + n % 1000), rng.choice(LEVELS), rng.choice(WORDS),
        rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS), rng.getrandbits(64), rng.randrange(10**6),
        rng.random() * 1000, rng.choice(WORDS), rng.choice(WORDS), rng.randrange(100000), rng.choice(STATUS))


def logfmt(rng, n, at):
    return ('ts=%s level=%s logger=%s.%s msg="%s %s %s" request_id=%016x user_id=%d duration=%.3fms path=/%s/%s/%d status=%d '
            'method=%s upstream=10.%d.%d.%d:8080\n') % (
        at.strftime("%Y-%m-%dT%H:%M:%S.") + "%09dZ" % (at.microsecond * 1000 + n % 1000), rng.choice(LEVELS), rng.choice(WORDS),
        rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS), rng.choice(WORDS), rng.getrandbits(64), rng.randrange(10**6),
        rng.random() * 1000, rng.choice(WORDS), rng.choice(WORDS), rng.randrange(100000), rng.choice(STATUS), rng.choice(METHODS),
        rng.randrange(256), rng.randrange(256), rng.randrange(256))


def cri(rng, n, at):
    return "%s %s F %s" % (at.strftime("%Y-%m-%dT%H:%M:%S.") + "%09dZ" % (at.microsecond * 1000 + n % 1000),
                           rng.choice(("stdout", "stdout", "stderr")), w2(rng, n, at))


WORDS = ("orders customers invoice payment checkout session profile search catalog inventory shipment warehouse "
         "report dashboard setting notification message upload download thumbnail").split()
METHODS = ["GET"] * 8 + ["POST", "PUT"]
STATUS = [200] * 12 + [201, 204, 301, 304, 404, 500]
LEVELS = ["info"] * 12 + ["debug"] * 4 + ["warn", "error"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/7.88.1", "Go-http-client/2.0", "kube-probe/1.28"]

BLOCK = 20000   # distinct lines; beyond a compressor's window repeats cost as fresh ones do


def main():
    kind, want = sys.argv[1], int(sys.argv[2])
    make = {"W1": w1, "W2": w2, "logfmt": logfmt, "cri": cri}[kind]
    rng = random.Random(1)
    # A few hours old, so that a real Loki takes them, too; the seconds differ, the rest does not.
    at = datetime.datetime.utcnow().replace(microsecond=0) - datetime.timedelta(hours=2)
    lines = [make(rng, n, at + datetime.timedelta(milliseconds=n)) for n in range(BLOCK)]
    block = "".join(lines).encode()
    out = sys.stdout.buffer
    while want > 0:
        out.write(block)
        want -= len(block)


main()
