#!/usr/bin/env python3
"""The delivery oracle: writes numbered lines, and proves that they arrived.

A line is

    run=<run> stream=<id> seq=<n> [pad=<anything>] crc=<crc32>

where crc32 is that of every byte before " crc=", as 8 hex digits.  `generate`
appends such lines to a file; `check` reads back what was stored and proves
that the lines 0..COUNT-1 of every stream are there once each, in order and
intact; `count` asks the server for its own count.

Three parts that know nothing of each other's insides: the line format, the
prover (Proof), and the readers.  A reader is anything with a method

    entries(start, end)   yielding (timestamp in ns, labels, line)

in ascending order of the timestamps, start inclusive, end exclusive, where
`labels` is any hashable value that is equal for entries of one stored stream.

Exit status: 0 proven, 1 not, 2 usage, or the server could not be read.
"""

import argparse
import collections
import heapq
import http.client
import json
import os
import random
import re
import sys
import time
import urllib.parse
import zlib
from array import array

# ---------------------------------------------------------------- line format

CRC_MARK = " crc="
CRC_BYTES = len(CRC_MARK) + 8
SEQ_DIGITS = 9
PAD_MARK = b" pad="
PAD_POOL = 1 << 16


def line_head(run, stream):
    return f"run={run} stream={stream} seq="


def intact(line):
    """Whether the line ends in the crc of what stands before it."""
    cut = len(line) - CRC_BYTES
    if cut < 0 or not line.startswith(CRC_MARK, cut):
        return False
    body = line[:cut].encode("utf-8", "surrogatepass")
    return "%08x" % zlib.crc32(body) == line[cut + len(CRC_MARK):]


def make_lines(run, stream, first, count, line_bytes):
    """Yield the lines as bytes, newline included, each of line_bytes bytes.

    A line that cannot be that short is as short as it can be.  The padding is
    a moving window on fixed random text, so that it compresses about as badly
    as real log text and is the same in every run.
    """
    head = line_head(run, stream).encode()
    head_crc = zlib.crc32(head)
    rest = line_bytes - len(head) - CRC_BYTES - 1
    pool = "".join(random.Random(1).choices("0123456789abcdef", k=PAD_POOL)).encode()
    crc32 = zlib.crc32
    for seq in range(first, first + count):
        digits = b"%09d" % seq
        pad = rest - len(digits)
        if pad > len(PAD_MARK):
            pad -= len(PAD_MARK)
            at = seq * 7919 % PAD_POOL
            text = pool[at:at + pad]
            while len(text) < pad:
                text += pool[:pad - len(text)]
            body = b"%b pad=%b" % (digits, text)
        else:
            body = digits.rjust(rest, b"0")
        yield b"%b%b crc=%08x\n" % (head, body, crc32(body, head_crc))


# ------------------------------------------------------------------ the prover

class Proof:
    """Takes entries one by one and says in the end what is wrong with them.

    Memory: 8 bytes for every expected line.
    """

    class Stream:
        def __init__(self, name, count):
            self.name = name
            self.count = count
            self.seen = array("q", bytes(8 * count))  # timestamp, 0: not yet
            self.found = 0
            self.stamp = None   # the newest timestamp
            self.labels = None  # whose entry was the last one
            self.top = -1       # highest number so far
            self.below = -1     # highest number with an older timestamp

    def __init__(self, run, counts, ties="strict", keep=10):
        """counts: {stream: number of lines}.  ties: "strict", entries with one
        timestamp must be in order as well; "any", their order is not looked
        at.  (Across stored streams it has no meaning and never counts.)"""
        self.run = run
        self.streams = {line_head(run, name)[:-len(" seq=")]: self.Stream(name, count)
                        for name, count in counts.items()}
        self.strict = ties == "strict"
        self.keep = keep
        self.problems = []
        self.kinds = collections.Counter()
        self.entries = 0
        self.others = 0

    def problem(self, kind, text, lines=1):
        self.kinds[kind] += lines
        if len(self.problems) < self.keep:
            self.problems.append(f"{kind}: {text}")

    def add(self, stamp, labels, line):
        self.entries += 1
        if not intact(line):
            self.problem("broken", f"at {stamp}: {shorten(line)}")
            return
        at = line.find(" seq=")
        stream = self.streams.get(line[:at])
        if stream is None:
            self.others += 1
            return
        at += len(" seq=")
        try:
            seq = int(line[at:line.index(" ", at)])
        except ValueError:
            self.problem("broken", f"no number, at {stamp}: {shorten(line)}")
            return
        if not 0 <= seq < stream.count:
            self.problem("unexpected", f"stream={stream.name} seq={seq} at {stamp}, "
                                       f"the stream has {stream.count} lines")
            return
        if stream.seen[seq]:
            self.problem("double", f"stream={stream.name} seq={seq} at {stamp}, "
                                   f"before that at {stream.seen[seq]}")
            return
        stream.seen[seq] = stamp or -1
        stream.found += 1
        if stamp != stream.stamp:
            if stream.stamp is not None and stamp < stream.stamp:
                raise ValueError(f"the reader went back in time: {stamp} after {stream.stamp}")
            stream.stamp = stamp
            stream.below = stream.top
            strict = True
        else:
            strict = self.strict and labels == stream.labels
        stream.labels = labels
        if seq > stream.top:
            stream.top = seq
        elif strict or seq < stream.below:
            self.problem("order", f"stream={stream.name} seq={seq} at {stamp} "
                                  f"comes after seq={stream.top}")

    def finish(self):
        """Report what never came.  Returns whether all is proven."""
        for stream in self.streams.values():
            if stream.found == stream.count:
                continue
            seq, seen = 0, stream.seen
            while seq < stream.count:
                try:
                    seq = seen.index(0, seq)
                except ValueError:
                    break
                last = seq
                while last + 1 < stream.count and not seen[last + 1]:
                    last += 1
                lines = last - seq + 1
                span = f"seq={seq}" if lines == 1 else f"seq={seq}..{last} ({lines} lines)"
                self.problem("missing", f"stream={stream.name} {span}", lines)
                seq = last + 1
        return not self.kinds

    @property
    def lines(self):
        return sum(stream.found for stream in self.streams.values())

    def report(self):
        if not self.kinds:
            others = f" others={self.others}" if self.others else ""
            return f"ok entries={self.entries} lines={self.lines}{others}"
        kinds = " ".join(f"{kind}={n}" for kind, n in sorted(self.kinds.items()))
        expected = sum(stream.count for stream in self.streams.values())
        head = (f"FAILED run={self.run} entries={self.entries} lines={self.lines} "
                f"of {expected} others={self.others} {kinds}")
        return "\n".join([head] + ["  " + text for text in self.problems])


def shorten(line, most=160):
    return repr(line if len(line) <= most else line[:most] + "…")


# ----------------------------------------------------------------- the readers

class ReadError(Exception):
    """The store could not be read: nothing is proven either way."""


class Loki:
    """Reads a Loki through its HTTP API, one connection kept open."""

    LIMIT = 100_000             # first guess, lowered to what the server permits
    FIRST_SLICE = 60 * 10**9    # ns
    ATTEMPTS = 6

    def __init__(self, url, selector, tenant=None, slices=0, limit=None, timeout=300):
        self.url = urllib.parse.urlsplit(url.rstrip("/"))
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ReadError(f"not an http(s) URL: {url}")
        self.selector = selector
        self.headers = {"X-Scope-OrgID": tenant} if tenant else {}
        self.slices = slices
        self.limit = limit or self.LIMIT
        self.timeout = timeout
        self.connection = None
        self.pages = 0

    def get(self, path, **query):
        """(status, body).  Tries again after a broken connection, 429 and 5xx."""
        target = f"{self.url.path}{path}?{urllib.parse.urlencode(query)}"
        for attempt in range(self.ATTEMPTS):
            if attempt:
                time.sleep(min(0.5 * 2**attempt, 10))
            try:
                if self.connection is None:
                    kind = (http.client.HTTPSConnection if self.url.scheme == "https"
                            else http.client.HTTPConnection)
                    self.connection = kind(self.url.hostname, self.url.port, timeout=self.timeout)
                self.connection.request("GET", target, headers=self.headers)
                answer = self.connection.getresponse()
                status, body = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.connection = None
                status, body = 0, f"{type(error).__name__}: {error}".encode()
                continue
            if status != 429 and status < 500:
                break
        return status, body

    def ask(self, path, **query):
        status, body = self.get(path, **query)
        if status != 200:
            raise ReadError(f"{path}: {status or 'no answer'}: "
                            f"{body[:500].decode(errors='replace').strip()}")
        return json.loads(body)["data"]

    def page(self, start, end):
        """Entries of [start, end), and whether the page is full."""
        query = {"query": self.selector, "direction": "forward", "start": start, "end": end}
        while True:
            status, body = self.get("/loki/api/v1/query_range", limit=self.limit, **query)
            permitted = status == 400 and re.search(
                rb"max_entries_limit\w* \(\d+ > (\d+)\)", body)
            if not permitted or int(permitted[1]) >= self.limit:
                break
            self.limit = int(permitted[1])
        if status != 200:
            raise ReadError(f"query_range: {status or 'no answer'}: "
                            f"{body[:500].decode(errors='replace').strip()}")
        self.pages += 1
        data = json.loads(body)["data"]
        if data["resultType"] != "streams":
            raise ReadError(f"the selector gives {data['resultType']}, not log lines")
        result = data["result"]
        total = sum(len(stream["values"]) for stream in result)
        groups = [self.group(stream) for stream in result]
        # Each group is ascending by itself; equal timestamps keep their order.
        merged = groups[0] if len(groups) == 1 else heapq.merge(*groups, key=lambda e: e[0])
        return merged, total, total >= self.limit

    @staticmethod
    def group(stream):
        labels = tuple(sorted(stream["stream"].items()))
        return ((int(value[0]), labels, value[1]) for value in stream["values"])

    def entries(self, start, end):
        width = -(-(end - start) // self.slices) if self.slices else self.FIRST_SLICE
        known = collections.Counter()   # entries at `start` that were given out already
        while start < end:
            stop = min(start + width, end)
            entries, total, full = self.page(start, stop)
            last, at_last, fresh = start, collections.Counter(), 0
            skip = collections.Counter(known)
            for entry in entries:
                stamp = entry[0]
                if stamp != last:
                    last = stamp
                    at_last.clear()
                if full:
                    at_last[entry[1:]] += 1
                if stamp == start and skip[entry[1:]] > 0:
                    skip[entry[1:]] -= 1
                    continue
                fresh += 1
                yield entry
            if not full:
                start = stop
                known.clear()
            elif not fresh:
                raise ReadError(f"more than {self.limit} entries with the one timestamp {last}: "
                                "raise max_entries_limit_per_query")
            # Keep the slices near half a page, unless their number is given.
            # A wide slice whose limit is reached early makes Loki cancel parts
            # of its own work, which can make the next query wait for seconds.
            if not self.slices:
                if full:
                    width = max((last - start) // 2, 1)
                elif total < self.limit // 4:
                    width *= 2
                elif total > self.limit * 3 // 4:
                    width = max(width // 2, 1)
            if full:
                # The page may have ended among entries of one timestamp: that
                # timestamp is read once more, less what is known of it.
                start, known = last, at_last

    def count(self, start, end):
        """The server's own count of (start, end]."""
        seconds = max(-(-(end - start) // 10**9), 1)
        data = self.ask("/loki/api/v1/query", time=end,
                        query=f"sum(count_over_time({self.selector}[{seconds}s]))")
        return sum(int(float(sample["value"][1])) for sample in data["result"])


# ----------------------------------------------------------------- the commands

def generate(args):
    if args.file == "-":
        fd = sys.stdout.fileno()
    else:
        fd = os.open(args.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    lines = make_lines(args.run, args.stream, args.first, args.count, args.line_bytes)
    began, written, size = time.monotonic(), 0, 0
    while written < args.count:
        batch = min(max((4 << 20) // max(args.line_bytes, 1), 1), args.count - written)
        if args.rate:
            # What is due by now; at a low rate each line by itself when due.
            due = int((time.monotonic() - began) * args.rate) + 1 - written
            if due <= 0:
                time.sleep(min(max((written / args.rate) - (time.monotonic() - began), 0.001), 1))
                continue
            batch = min(batch, due)
        data = memoryview(b"".join(next(lines) for _ in range(batch)))
        written += batch
        size += len(data)
        while data:
            data = data[os.write(fd, data):]
        if args.rate and written < args.count:
            time.sleep(0.005)
    if args.file != "-":
        os.close(fd)
    print(f"generated lines={written} bytes={size} seconds={time.monotonic() - began:.2f}",
          file=sys.stderr)
    return 0


def span(args):
    """The range to read: by default from a day ago until an hour from now."""
    now = time.time_ns()
    start = now - 24 * 3600 * 10**9 if args.start is None else args.start
    end = now + 3600 * 10**9 if args.end is None else args.end
    if start >= end:
        raise SystemExit("oracle: --start must be before --end")
    return start, end


def check(args):
    counts = args.count if len(args.count) > 1 else args.count * len(args.stream)
    if len(counts) != len(args.stream) or len(set(args.stream)) != len(args.stream):
        print("oracle: one --count for each --stream, or one for all; no stream twice",
              file=sys.stderr)
        return 2
    reader = Loki(args.loki, args.selector, args.tenant, args.slices, args.limit)
    proof = Proof(args.run, dict(zip(args.stream, counts)), args.ties)
    add = proof.add
    for stamp, labels, line in reader.entries(*span(args)):
        add(stamp, labels, line)
    good = proof.finish()
    print(proof.report())
    return 0 if good else 1


def count(args):
    print(Loki(args.loki, args.selector, args.tenant).count(*span(args)))
    return 0


def natural(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def word(text):
    if not text or any(c.isspace() for c in text):
        raise argparse.ArgumentTypeError("must be one word")
    return text


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    gen = commands.add_parser("generate", help="append lines to FILE (-: stdout)")
    gen.set_defaults(command=generate)
    gen.add_argument("--run", type=word, required=True)
    gen.add_argument("--stream", type=word, required=True)
    gen.add_argument("--from", type=natural, default=0, dest="first", metavar="N")
    gen.add_argument("--count", type=natural, required=True)
    gen.add_argument("--line-bytes", type=natural, default=150, metavar="B",
                     help="length of a line, newline included (default 150)")
    gen.add_argument("--rate", type=float, default=0, metavar="LINES_PER_S")
    gen.add_argument("file", metavar="FILE")

    chk = commands.add_parser("check", help="prove that the lines arrived")
    chk.set_defaults(command=check)
    chk.add_argument("--run", type=word, required=True)
    chk.add_argument("--stream", type=word, required=True, action="append",
                     help="may be repeated")
    chk.add_argument("--count", type=natural, required=True, action="append",
                     help="lines of the stream; one for each --stream, or one for all")
    chk.add_argument("--slices", type=natural, default=0, metavar="N",
                     help="read in N slices of equal time (default: found out)")
    chk.add_argument("--limit", type=natural, default=0, metavar="N",
                     help=f"entries per page (default {Loki.LIMIT}, or what the server permits)")
    chk.add_argument("--ties", choices=("strict", "any"), default="strict",
                     help="order of entries with one timestamp: proven, or not looked at")

    cnt = commands.add_parser("count", help="print the server's own count")
    cnt.set_defaults(command=count)
    for sub in (chk, cnt):
        sub.add_argument("--loki", required=True, metavar="URL")
        sub.add_argument("--selector", required=True, help="e.g. '{job=\"x\"}'")
        sub.add_argument("--tenant")
        sub.add_argument("--start", type=int, metavar="NS", help="default: a day ago")
        sub.add_argument("--end", type=int, metavar="NS", help="default: in an hour")
    return parser.parse_args()


def main():
    args = arguments()
    try:
        return args.command(args)
    except (ReadError, ValueError) as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 2


if __name__ == "__main__":
    sys.exit(main())
