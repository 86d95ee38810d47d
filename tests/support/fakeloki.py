#!/usr/bin/env python3
"""A fake Loki: Loki's rules for pushes, and the faults that a real one has not on demand.

    fakeloki.py [--port 3100] [--port-file FILE] [limits …]

It answers like a single Loki 3.6 with its default limits, as far as a shipper
can see: partial 400s, per-stream and per-tenant 429s, the out-of-order window,
which copies it drops, which it stores again and which a log query merges, and
that a good stream hides the refusal of one before it (204).  Rates are off
unless given.

    POST /loki/api/v1/push            protobuf + snappy; JSON, plain or gzip/deflate
    GET  /loki/api/v1/query_range     {a="b", c=~"d.*"} |= "text" != "text"
    GET  /loki/api/v1/query           sum(count_over_time({…}[Ns]))
    GET  /loki/api/v1/labels, /ready

    POST   /_faults   one fault or a list of them, appended; see FAULT below
    GET    /_faults   what is left of them
    DELETE /_faults   forgets them
    GET    /_dump     all that is stored (?tenant=, ?raw=1 with copies that queries merge)
    GET    /_stats    counters, and one line per push (?pushes=1)
    GET    /_delays   of entries with at=<ns> in their line, by tenant: milliseconds from then until they were stored
    POST   /_reset    forgets what is stored and counted

FAULT: the first one in the list that matches a push is applied to it.
    times      how often (1); -1 for ever
    after      let that many matching pushes through before
    tenant, agent   only pushes of this tenant, with this text in User-Agent
    stream     only pushes that have a stream with this text in its labels
  what happens, in this order:
    delay_ms   wait
    store      true: store it all the same before failing: the answer is lost, not the entries
    hang       true (or seconds): never answer (this long), then close
    reset      true: RST instead of an answer; "reading": before the body is read
    garbage    true: an answer that is not HTTP; "short": a body cut off
    refuse     this status, with `body`, `retry_after`, `headers`
    partial_400 {"match": text in the line | "first": n | "every": n, "reason": R, "status": 400}
               refuses these entries with Loki's text for R (too_far_behind, greater_than_max_sample_age,
               too_far_in_future, line_too_long, per_stream_rate_limit), stores the others
"""

import argparse
import base64
import collections
import ctypes
import ctypes.util
import datetime
import gzip
import http.server
import json
import os
import re
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse
import zlib

# ------------------------------------------------------------------- snappy

class BadBody(Exception):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise BadBody("bad varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def unsnappy_python(data):
    want, at = varint(data, 0)
    out = bytearray()
    try:
        while at < len(data):
            tag = data[at]
            at += 1
            kind = tag & 3
            if kind == 0:
                length = tag >> 2
                if length >= 60:
                    extra = length - 59
                    length = int.from_bytes(data[at:at + extra], "little")
                    at += extra
                length += 1
                if at + length > len(data):
                    raise BadBody("snappy: literal behind the end")
                out += data[at:at + length]
                at += length
                continue
            if kind == 1:
                length = (tag >> 2 & 7) + 4
                offset = (tag >> 5) << 8 | data[at]
                at += 1
            else:
                size = 2 if kind == 2 else 4
                length = (tag >> 2) + 1
                offset = int.from_bytes(data[at:at + size], "little")
                at += size
            start = len(out) - offset
            if offset == 0 or start < 0:
                raise BadBody("snappy: bad offset")
            if offset >= length:
                out += out[start:start + length]
            else:
                piece = bytes(out[start:])
                out += (piece * (length // offset + 1))[:length]
    except IndexError:
        raise BadBody("snappy: cut off") from None
    if len(out) != want:
        raise BadBody("snappy: wrong length")
    return bytes(out)


def load_snappy():
    """The C library through ctypes when it is there: ten times faster."""
    try:
        lib = ctypes.CDLL("libsnappy.so.1")
        lib.snappy_uncompress.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                          ctypes.POINTER(ctypes.c_size_t))
        lib.snappy_uncompressed_length.argtypes = (ctypes.c_char_p, ctypes.c_size_t,
                                                   ctypes.POINTER(ctypes.c_size_t))
    except (OSError, AttributeError):
        return unsnappy_python

    def unsnappy(data):
        size = ctypes.c_size_t()
        if lib.snappy_uncompressed_length(data, len(data), ctypes.byref(size)) != 0:
            raise BadBody("snappy: corrupt input")
        if size.value > 1 << 30:
            raise BadBody("snappy: too large")
        out = ctypes.create_string_buffer(size.value or 1)
        if lib.snappy_uncompress(data, len(data), out, ctypes.byref(size)) != 0:
            raise BadBody("snappy: corrupt input")
        return out.raw[:size.value]
    return unsnappy


unsnappy = load_snappy()

# --------------------------------------------------------------- the messages

def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            if at + length > len(data):
                raise BadBody("unexpected EOF")
            value = data[at:at + length]
            at += length
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value = data[at:at + size]
            at += size
        else:
            raise BadBody(f"proto: illegal wireType {wire}")
        if tag >> 3 == 0:
            raise BadBody("proto: illegal tag 0")
        yield tag >> 3, value


def signed(n):
    return n - (1 << 64) if n >= 1 << 63 else n


def decode_entry(data):
    stamp, line, metadata = 0, b"", []
    for number, value in fields(data):
        if number == 1:
            seconds = nanos = 0
            for n, v in fields(value):
                if n == 1:
                    seconds = signed(v)
                elif n == 2:
                    nanos = v
            stamp = seconds * 10**9 + nanos
        elif number == 2:
            line = value
        elif number == 3:
            pair = dict(fields(value))
            metadata.append((text(pair.get(1, b"")), text(pair.get(2, b""))))
    return stamp, line, tuple(metadata)


def text(raw):
    return raw.decode("utf-8", "replace")


def decode_protobuf(data):
    """[(labels text, [(ns, line, metadata)])]"""
    streams = []
    for number, value in fields(data):
        if number != 1:
            continue
        labels, entries = "", []
        for n, v in fields(value):
            if n == 1:
                labels = text(v)
            elif n == 2:
                entries.append(decode_entry(v))
        streams.append((labels, entries))
    return streams


def go_quote(s):
    return json.dumps(s, ensure_ascii=False)


def labels_text(labels):
    return "{" + ", ".join(f"{k}={go_quote(v)}" for k, v in sorted(labels.items())) + "}"


def decode_json(data):
    try:
        body = json.loads(data.decode("utf-8", "surrogateescape"))
        streams = []
        for stream in body.get("streams") or []:
            entries = []
            for value in stream.get("values") or []:
                stamp, line = value[0], value[1]
                if not isinstance(stamp, str) or not isinstance(line, str):
                    raise BadBody("Value is string, but can't find closing '\"' symbol")
                metadata = value[2] if len(value) > 2 else {}
                if not all(isinstance(v, str) for v in metadata.values()):
                    raise BadBody("Value is string, but can't find closing '\"' symbol")
                entries.append((int(stamp), line.encode("utf-8", "surrogateescape"),
                                tuple(metadata.items())))
            streams.append((labels_text(stream.get("stream") or {}), entries))
        return streams
    except (ValueError, AttributeError, IndexError, TypeError) as error:
        raise BadBody(f"bad JSON: {error}") from None


class BadLabels(Exception):
    pass


PAIR = re.compile(r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*""")
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
SIMPLE = dict(zip("abfnrtv", "\a\b\f\n\r\t\v"))


def unquote(quoted):
    inner = quoted[1:-1]
    if quoted[0] == "`" or "\\" not in inner:
        return inner

    def one(match):
        e = match[1]
        if e[0] in "xuU":
            return chr(int(e[1:], 16)) if len(e) > 1 else e
        if e[0].isdigit() and len(e) == 3:
            return chr(int(e, 8))
        return SIMPLE.get(e, e)
    return ESCAPE.sub(one, inner)


def parse_labels(s):
    at = len(s) - len(s.lstrip())
    if s[at:at + 1] != "{":
        raise BadLabels(f"{1}:{at + 1}: parse error: unexpected input")
    at += 1
    labels = {}
    while True:
        rest = s[at:].lstrip()
        if rest.startswith("}"):
            if rest[1:].strip():
                raise BadLabels(f"1:{at + 1}: parse error: unexpected input behind labels")
            return labels
        match = PAIR.match(s, at)
        if not match:
            name = re.match(r"\s*[a-zA-Z0-9_]*", s[at:])
            bad = at + name.end()
            what = f"character inside braces: {s[bad]!r}" if bad < len(s) else "end of input inside braces"
            raise BadLabels(f"1:{bad + 1}: parse error: unexpected {what}")
        if match[1] in labels:
            raise BadLabels(f"stream '{s}' has duplicate label name: '{match[1]}'")
        labels[match[1]] = unquote(match[2])
        at = match.end()
        if s[at:at + 1] == ",":
            at += 1
        elif s[at:at + 1] != "}":
            raise BadLabels(f"1:{at + 1}: parse error: expected , or }}")

# ------------------------------------------------------------------- the rules

SERVICE_NAMES = ("service", "app", "application", "app_name", "name", "app_kubernetes_io_name",
                 "container", "container_name", "k8s_container_name", "component", "workload",
                 "job", "k8s_job_name")


def rfc3339(ns):
    return stamp_text(ns, "T", 0) + "Z"


def stamp_text(ns, sep, digits):
    seconds, nanos = divmod(ns, 10**9)
    try:
        t = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        out = t.strftime("%Y-%m-%d" + sep + "%H:%M:%S")
    except OverflowError:
        out = f"@{seconds}"
    if digits and nanos:
        out += ("." + "%09d" % nanos).rstrip("0")
    return out


def go_time(ns):
    return stamp_text(ns, " ", 9) + " +0000 UTC"


class Rejected(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


class Bucket:
    """golang.org/x/time/rate, or no limit."""

    def __init__(self, rate, burst):
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, time.monotonic()

    def take(self, n):
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if n > self.tokens:
            return False
        self.tokens -= n
        return True


WRITTEN = re.compile(rb"\bat=(\d{19})\b")


class Stream:
    def __init__(self, labels, options):
        self.labels = labels
        self.name = labels_text(labels)
        self.entries = []           # as stored, copies included
        self.last = None            # the last accepted entry
        self.highest = None
        self.head = set()           # of the open block
        self.head_bytes = 0
        self.bucket = Bucket(options.stream_rate, options.stream_burst)


def entry_bytes(entry):
    return len(entry[1]) + sum(len(k) + len(v) for k, v in entry[2])


class Tenant:
    def __init__(self, options):
        self.options = options
        self.streams = {}
        self.bucket = Bucket(options.rate, options.burst)


class Loki:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.tenants = {}
        self.stats = collections.Counter()
        self.statuses = collections.Counter()
        self.delays = collections.defaultdict(list)
        self.pushes = []

    # ---- distributor

    def push(self, tenant_name, streams, partial=None):
        """204, or Rejected.  partial: a fault's choice of entries to refuse."""
        now = time.time_ns()
        with self.lock:
            tenant = self.tenants.setdefault(tenant_name, Tenant(self.options))
            if not streams:
                raise Rejected(422, "error at least one valid stream is required for ingestion")
            parsed = self.parse(streams)
            errors, good = [], []
            for (label_text, entries), labels in zip(streams, parsed):
                if not entries:
                    continue
                problem = labels if isinstance(labels, str) else self.check_labels(label_text, labels)
                if problem:
                    errors.append(problem)
                    self.stats["refused_entries"] += len(entries)
                    continue
                name = labels_text(labels)
                kept = []
                for entry in entries:
                    problem = self.check_entry(name, entry, now)
                    if problem:
                        errors.append(problem)
                        self.stats["refused_entries"] += 1
                    else:
                        kept.append(entry)
                if kept:
                    good.append((labels, name, kept))
            refused = Rejected(400, grouped(errors)) if errors else None
            if not good:
                if refused:
                    raise refused
                return
            total = sum(entry_bytes(e) for _, _, es in good for e in es)
            if not tenant.bucket.take(total):
                lines = sum(len(es) for _, _, es in good)
                raise Rejected(429, f"ingestion rate limit exceeded for user {tenant_name} (limit: "
                               f"{self.options.rate} bytes/sec) while attempting to ingest '{lines}' lines totaling "
                               f"'{total}' bytes, reduce log volume or contact your Loki administrator to see if the "
                               "limit can be increased")
            error = self.ingest(tenant_name, tenant, good, partial)
            if error:
                raise error
            if refused:
                raise refused

    def parse(self, streams):
        """The labels of each stream, or its error.  With service names one bad stream refuses the push."""
        parsed = []
        for label_text, _ in streams:
            try:
                labels = parse_labels(label_text)
            except BadLabels as error:
                if self.options.service_name:
                    self.stats["refused_entries"] += sum(len(e) for _, e in streams)
                    raise Rejected(400, f"couldn't parse labels: {error}") from None
                parsed.append(f"error parsing labels '{label_text}' with error: {error}")
                continue
            labels = {k: v for k, v in labels.items() if v}
            if self.options.service_name and labels and "service_name" not in labels:
                labels["service_name"] = next((labels[n] for n in SERVICE_NAMES if n in labels),
                                              "unknown_service")
            parsed.append(labels)
        return parsed

    def check_labels(self, label_text, labels):
        o = self.options
        if not labels:
            return "error at least one label pair is required per stream"
        count = len(labels) - ("service_name" in labels)
        if count > o.max_label_names:
            return f"entry for stream '{label_text}' has {count} label names; limit {o.max_label_names}"
        for name, value in sorted(labels.items()):
            if len(name.encode()) > o.max_label_name_length:
                return f"stream '{label_text}' has label name too long: '{name}'"
            if len(value.encode()) > o.max_label_value_length:
                return f"stream '{label_text}' has label value too long: '{value}'"
        return None

    def check_entry(self, name, entry, now):
        o = self.options
        stamp, line, metadata = entry
        oldest = now - int(o.reject_old * 10**9)
        if o.reject_old and stamp < oldest:
            return (f"entry for stream '{name}' has timestamp too old: {rfc3339(stamp)}, "
                    f"oldest acceptable timestamp is: {rfc3339(oldest)}")
        if stamp > now + int(o.grace * 10**9):
            return f"entry for stream '{name}' has timestamp too new: {rfc3339(stamp)}"
        if o.max_line_size and len(line) > o.max_line_size:
            return line_too_long(o.max_line_size, name, line)
        if metadata:
            size = sum(len(k) + len(v) for k, v in metadata)
            if size > o.max_metadata_size:
                return (f"stream '{name}' has structured metadata too large: '{size}' bytes, limit: "
                        f"'{o.max_metadata_size}' bytes. Please see `limits_config.max_structured_metadata_size` or "
                        "contact your Loki administrator to increase it")
            if len(metadata) > o.max_metadata_count:
                return (f"stream '{name}' has too many structured metadata labels: '{len(metadata)}', limit: "
                        f"'{o.max_metadata_count}'. Please see `limits_config.max_structured_metadata_entries_count` "
                        "or contact your Loki administrator to increase it")
        return None

    # ---- ingester

    def ingest(self, tenant_name, tenant, good, partial):
        """What Loki answers: the outcome of the last stream, whatever happened to those before it."""
        outcome = None
        for labels, name, entries in good:
            stream = tenant.streams.get(name)
            if stream is None:
                if self.options.max_streams and len(tenant.streams) >= self.options.max_streams:
                    self.stats["refused_entries"] += len(entries)
                    outcome = Rejected(429, "maximum active stream limit exceeded when trying to create stream "
                                       f"{name}, reduce the number of active streams (reduce labels or reduce label "
                                       "values), or contact your Loki administrator to see if the limit can be "
                                       f"increased, user: '{tenant_name}'")
                    continue
                stream = tenant.streams[name] = Stream(labels, self.options)
            outcome = self.append(tenant_name, stream, entries, partial)
        return outcome

    def append(self, tenant_name, stream, entries, partial):
        failed = []
        for entry in entries:
            before = len(stream.entries)
            problem = self.admit(stream, entry, partial)
            if problem:
                failed.append((entry, *problem))
            elif len(stream.entries) > before:
                self.note_delay(tenant_name, entry[1])
        if not failed:
            return None
        self.stats["refused_entries"] += len(failed)
        _, kind, last = failed[-1]
        status = 429 if kind == "rate" else 400
        if kind == "other":
            return Rejected(status, last)
        lines = [f"entry with timestamp {go_time(e[0])} ignored, reason: '{why}',"
                 for e, _, why in failed[:self.options.max_returned_errors]]
        lines.append(f"user '{tenant_name}', total ignored: {len(failed)} out of {len(entries)} "
                     f"for stream: {stream.name}")
        return Rejected(status, "\n".join(lines))

    def note_delay(self, tenant_name, line):
        written = WRITTEN.search(line)
        if written:
            self.delays[tenant_name].append((time.time_ns() - int(written[1])) // 10**6)

    def admit(self, stream, entry, partial):
        """None when it is taken, else (kind, text)."""
        stamp = entry[0]
        if entry == stream.last:
            self.stats["duplicate_entries"] += 1
            return None
        if partial and partial.picks(entry):
            return partial.text(stream, entry, self.options)
        if not stream.bucket.take(entry_bytes(entry)):
            return "rate", rate_text(self.options.stream_rate, stream.name, entry)
        cutoff = None if stream.highest is None else stream.highest - int(self.options.max_chunk_age / 2 * 10**9)
        if cutoff is not None and stamp < cutoff:
            return "old", too_far_behind(stamp, cutoff)
        stream.last = entry
        if stream.highest is None or stamp > stream.highest:
            stream.highest = stamp
        if entry in stream.head:
            self.stats["duplicate_entries"] += 1
            return None
        stream.head.add(entry)
        stream.head_bytes += entry_bytes(entry)
        if stream.head_bytes > self.options.block_size:
            stream.head.clear()
            stream.head_bytes = 0
        stream.entries.append(entry)
        self.stats["stored_entries"] += 1
        self.stats["stored_bytes"] += len(entry[1])
        return None

    # ---- querier

    def select(self, tenant_name, query, start, end, merge=True):
        """[(stream, entries)], entries sorted by time; merged as a log query does."""
        matchers, filters = parse_query(query)
        found = []
        with self.lock:
            tenant = self.tenants.get(tenant_name)
            for stream in tenant.streams.values() if tenant else ():
                if not all(m(stream.labels) for m in matchers):
                    continue
                entries = [e for e in stream.entries if start <= e[0] < end and all(f(e[1]) for f in filters)]
                if merge:
                    entries = list(dict.fromkeys(entries))
                entries.sort(key=lambda e: e[0])
                found.append((stream, entries))
        return found


def line_too_long(limit, name, line):
    return f"max entry size '{limit}' bytes exceeded for stream '{name}' while adding an entry with length '{len(line)}' bytes"


def too_far_behind(stamp, cutoff):
    return (f"entry too far behind, entry timestamp is: {rfc3339(stamp)}, "
            f"oldest acceptable timestamp is: {rfc3339(cutoff)}")


def rate_text(rate, name, entry):
    return (f"Per stream rate limit exceeded (limit: {rate}B/sec) while attempting to ingest for stream '{name}' "
            f"totaling {entry_bytes(entry)}B, consider splitting a stream via additional labels or contact your "
            "Loki administrator to see if the limit can be increased")


def grouped(errors):
    """Loki's text of many errors: equal ones are counted."""
    counts = collections.Counter(errors)
    if len(counts) == 1 and len(errors) == 1:
        return errors[0]
    return "; ".join(f"{n} errors like: {error}" for error, n in counts.items())


class Partial:
    """The entries that a partial_400 fault refuses."""

    def __init__(self, spec):
        self.spec = spec
        self.seen = 0

    def picks(self, entry):
        self.seen += 1
        if "match" in self.spec:
            return self.spec["match"].encode() in entry[1]
        if "first" in self.spec:
            return self.seen <= self.spec["first"]
        return self.seen % self.spec.get("every", 1) == 0

    def text(self, stream, entry, options):
        reason = self.spec.get("reason", "too_far_behind")
        if reason == "too_far_behind":
            return "old", too_far_behind(entry[0], (stream.highest or entry[0]) + 10**9)
        if reason == "per_stream_rate_limit" or self.spec.get("status") == 429:
            return "rate", rate_text(options.stream_rate or 3 << 20, stream.name, entry)
        if reason == "greater_than_max_sample_age":
            return "other", (f"entry for stream '{stream.name}' has timestamp too old: {rfc3339(entry[0])}, "
                             f"oldest acceptable timestamp is: {rfc3339(entry[0] + 10**9)}")
        if reason == "too_far_in_future":
            return "other", f"entry for stream '{stream.name}' has timestamp too new: {rfc3339(entry[0])}"
        return "other", line_too_long(max(len(entry[1]) - 1, 0), stream.name, entry[1])

# ----------------------------------------------------------------- LogQL, a bit

QUERY = re.compile(r"\s*\{(.*?)\}\s*((?:(?:\|=|!=|\|~|!~)\s*(?:\"(?:[^\"\\]|\\.)*\"|`[^`]*`)\s*)*)$", re.S)
MATCHER = re.compile(r"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\"|`[^`]*`)\s*(?:,|$)")
FILTER = re.compile(r"\s*(\|=|!=|\|~|!~)\s*(\"(?:[^\"\\]|\\.)*\"|`[^`]*`)\s*")
COUNT = re.compile(r"\s*sum\s*\(\s*count_over_time\s*\((.*)\[(\d+)(s|m|h|d)\]\s*\)\s*\)\s*$", re.S)


def parse_query(query):
    match = QUERY.match(query)
    if not match:
        raise Rejected(400, f"parse error: this fake does not know the query {query}")
    matchers, at, inside = [], 0, match[1]
    while inside[at:].strip():
        m = MATCHER.match(inside, at)
        if not m:
            raise Rejected(400, f"parse error at {inside[at:]}")
        matchers.append(matcher(m[1], m[2], unquote(m[3])))
        at = m.end()
    return matchers, [line_filter(m[1], unquote(m[2])) for m in FILTER.finditer(match[2])]


def matcher(name, op, value):
    if op in ("=~", "!~"):
        regex = re.compile(value)
        return lambda labels: bool(regex.fullmatch(labels.get(name, ""))) == (op == "=~")
    return lambda labels: (labels.get(name, "") == value) == (op == "=")


def line_filter(op, value):
    if op in ("|~", "!~"):
        regex = re.compile(value.encode())
        return lambda line: bool(regex.search(line)) == (op == "|~")
    raw = value.encode()
    return lambda line: (raw in line) == (op == "|=")


def parse_time(s, default):
    if not s:
        return default
    if re.fullmatch(r"-?\d+", s):
        return int(s) if len(s) > 10 else int(s) * 10**9
    if re.fullmatch(r"-?\d+\.\d*", s):
        return int(float(s) * 10**9)
    t = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", s.replace("Z", "+00:00")))
    return int(t.timestamp() * 10**9)

# -------------------------------------------------------------------- the faults

class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.list = []

    def add(self, faults):
        for fault in faults if isinstance(faults, list) else [faults]:
            unknown = set(fault) - KNOWN_FAULT
            if unknown:
                raise ValueError(f"unknown in a fault: {', '.join(sorted(unknown))}")
            with self.lock:
                self.list.append({"times": 1, "after": 0, **fault})

    def take(self, tenant, agent, streams):
        with self.lock:
            for i, fault in enumerate(self.list):
                if fault.get("tenant", tenant) != tenant or fault.get("agent", "") not in agent:
                    continue
                if "stream" in fault and not (streams and any(fault["stream"] in labels for labels, _ in streams)):
                    continue
                if fault["after"] > 0:
                    fault["after"] -= 1
                    continue
                if fault["times"] > 0:
                    fault["times"] -= 1
                    if fault["times"] == 0:
                        del self.list[i]
                return fault
        return {}


KNOWN_FAULT = {"times", "after", "tenant", "agent", "stream", "delay_ms", "store", "hang", "reset", "garbage",
               "refuse", "body", "retry_after", "headers", "partial_400"}

# -------------------------------------------------------------------- the server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fakeloki"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *args):
        if self.server.loki.options.verbose:
            super().log_message(*args)

    @property
    def loki(self):
        return self.server.loki

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("body cut off")
        return body

    def answer(self, status, body=b"", kind="text/plain; charset=utf-8", headers=()):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if status != 204 and self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def answer_json(self, value, status=200):
        self.answer(status, json.dumps(value).encode(), "application/json")

    def abort(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def tenant(self):
        tenant = self.headers.get("X-Scope-OrgID", "")
        if self.loki.options.auth:
            if not tenant:
                raise Rejected(401, "no org id")
            return tenant
        return "fake"

    def fault_tenant(self):
        return self.headers.get("X-Scope-OrgID", "")

    def route(self, routes):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        try:
            routes.get(url.path, Handler.not_found)(self)
        except Rejected as refused:
            self.answer(refused.status, refused.message.encode() + b"\n")
        except ValueError as error:
            self.answer(400, f"{error}\n".encode())
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self):
        self.route(self.GET)

    do_HEAD = do_GET

    def do_POST(self):
        self.route(self.POST)

    def do_DELETE(self):
        self.route({"/_faults": Handler.clear_faults})

    def not_found(self):
        self.read_body()
        self.answer(404, b"404 page not found\n")

    # ---- push

    def push(self):
        began = time.time()
        agent = self.headers.get("User-Agent", "")
        early = any(f.get("reset") == "reading" for f in self.server.faults.list)
        if early and self.server.faults.take(self.fault_tenant(), agent, None).get("reset"):
            self.record(began, 0, None, "reset")
            return self.abort()
        body = self.read_body()
        streams = problem = None
        try:
            streams = self.decode(body)
        except (BadBody, zlib.error, OSError, EOFError) as error:
            problem = Rejected(400, str(error))
        except Rejected as refused:
            problem = refused
        fault = self.server.faults.take(self.fault_tenant(), agent, streams)
        if fault.get("delay_ms"):
            time.sleep(fault["delay_ms"] / 1000)
        fails = [k for k in ("hang", "reset", "garbage", "refuse") if k in fault]
        status, text_ = 204, ""
        if not fails or fault.get("store"):
            try:
                if problem:
                    raise problem
                if self.server.forward is not None:
                    self.server.forward(self.tenant(), streams, self.headers, body)
                else:
                    partial = Partial(fault["partial_400"]) if "partial_400" in fault else None
                    self.loki.push(self.tenant(), streams, partial)
            except Rejected as refused:
                status, text_ = refused.status, refused.message
        self.record(began, len(body), streams, fails[0] if fails else status, text_)
        if fails:
            return self.fail(fault, fails[0])
        return self.answer(status, text_.encode() + b"\n" if text_ else b"")

    def decode(self, body):
        if len(body) > self.loki.options.max_body:
            raise Rejected(413, f"request body too large: message size too large than max ({len(body)} vs "
                           f"{self.loki.options.max_body})")
        encoding = self.headers.get("Content-Encoding", "")
        kind = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body, -15)
        elif encoding not in ("", "snappy"):
            raise BadBody(f'Content-Encoding "{encoding}" not supported')
        if not kind:
            raise BadBody("mime: no media type")
        return decode_json(body) if kind == "application/json" else decode_protobuf(unsnappy(body))

    def fail(self, fault, kind):
        if kind == "hang":
            seconds = 3600 if fault["hang"] is True else fault["hang"]
            self.connection.settimeout(seconds)
            try:
                self.connection.recv(1)     # until the client gives up
            except OSError:
                pass
            self.close_connection = True
        elif kind == "reset":
            self.abort()
        elif kind == "garbage":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort" if fault["garbage"] == "short"
                             else b"\x00\xffthis is not HTTP\r\n\r\n")
            self.wfile.flush()
        else:
            headers = list(fault.get("headers", {}).items())
            if "retry_after" in fault:
                headers.append(("Retry-After", str(fault["retry_after"])))
            self.answer(fault["refuse"], fault.get("body", "refused by a fault").encode(), headers=headers)

    def record(self, began, size, streams, status, text_=""):
        loki = self.loki
        entries = sum(len(e) for _, e in streams or ())
        with loki.lock:
            loki.stats["pushes"] += 1
            loki.stats["received_bytes"] += size
            loki.stats["received_entries"] += entries
            loki.statuses[str(status)] += 1
            if len(loki.pushes) < loki.options.max_pushes:
                loki.pushes.append({
                    "at": began, "took": round(time.time() - began, 6), "tenant": self.fault_tenant(),
                    "bytes": size, "entries": entries, "status": status, "answer": text_[:500],
                    "streams": [labels for labels, _ in (streams or ())][:20],
                    "headers": {k: v for k, v in self.headers.items() if k.lower() != "authorization"}})

    # ---- queries

    def query_range(self):
        o = self.loki.options
        limit = int(self.query.get("limit", 100))
        if limit > o.max_entries:
            raise Rejected(400, "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                           f"({limit} > {o.max_entries})")
        now = time.time_ns()
        start = parse_time(self.query.get("start"), now - 3600 * 10**9)
        end = parse_time(self.query.get("end"), now)
        backward = self.query.get("direction", "backward").lower() != "forward"
        found = self.loki.select(self.tenant(), self.query.get("query", ""), start, end)
        every = [(e, stream) for stream, entries in found for e in entries]
        every.sort(key=lambda pair: pair[0][0], reverse=backward)
        groups = {}
        for entry, stream in every[:limit]:
            labels = {**stream.labels, **dict(entry[2])}
            key = tuple(sorted(labels.items()))
            groups.setdefault(key, (labels, []))[1].append([str(entry[0]), text(entry[1])])
        self.answer_json({"status": "success", "data": {
            "resultType": "streams", "stats": {},
            "result": [{"stream": labels, "values": values} for labels, values in groups.values()]}})

    def instant(self):
        match = COUNT.match(self.query.get("query", ""))
        if not match:
            raise Rejected(400, "parse error: this fake knows sum(count_over_time({…}[Ns])) only")
        end = parse_time(self.query.get("time"), time.time_ns())
        width = int(match[2]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[3]] * 10**9
        # A metric query counts copies that were stored twice; its range is (start, end].
        found = self.loki.select(self.tenant(), match[1], end - width + 1, end + 1, merge=False)
        count = sum(len(entries) for _, entries in found)
        result = [{"metric": {}, "value": [end / 10**9, str(count)]}] if count else []
        self.answer_json({"status": "success", "data": {"resultType": "vector", "result": result, "stats": {}}})

    def labels(self):
        with self.loki.lock:
            tenant = self.loki.tenants.get(self.tenant())
            names = sorted({n for s in tenant.streams.values() for n in s.labels}) if tenant else []
        self.answer_json({"status": "success", "data": names})

    def ready(self):
        self.answer(200, b"ready\n")

    # ---- for tests

    def set_faults(self):
        self.server.faults.add(json.loads(self.read_body() or b"[]"))
        self.answer(204)

    def get_faults(self):
        self.answer_json(self.server.faults.list)

    def clear_faults(self):
        self.read_body()
        with self.server.faults.lock:
            self.server.faults.list.clear()
        self.answer(204)

    def dump(self):
        raw = self.query.get("raw", "") not in ("", "0")
        wanted = self.query.get("tenant")
        out = {}
        with self.loki.lock:
            for name, tenant in self.loki.tenants.items():
                if wanted is not None and wanted != name:
                    continue
                out[name] = [{"stream": s.labels, "entries": [dump_entry(e) for e in
                                                             (s.entries if raw else dict.fromkeys(s.entries))]}
                             for s in tenant.streams.values()]
        self.answer_json({"tenants": out})

    def get_stats(self):
        with self.loki.lock:
            stats = {**self.loki.stats, "statuses": dict(self.loki.statuses),
                     "streams": {t: len(v.streams) for t, v in self.loki.tenants.items()}}
            if self.query.get("pushes"):
                stats["log"] = list(self.loki.pushes)
        self.answer_json(stats)

    def get_delays(self):
        with self.loki.lock:
            delays = {tenant: list(ms) for tenant, ms in self.loki.delays.items()}
        self.answer_json(delays)

    def reset_all(self):
        self.read_body()
        with self.loki.lock:
            self.loki.reset()
        self.answer(204)

    GET = {"/loki/api/v1/query_range": query_range, "/loki/api/v1/query": instant, "/loki/api/v1/labels": labels,
           "/ready": ready, "/_dump": dump, "/_stats": get_stats, "/_delays": get_delays,
           "/_faults": get_faults}
    POST = {"/loki/api/v1/push": push, "/_faults": set_faults, "/_reset": reset_all}


def dump_entry(entry):
    stamp, line, metadata = entry
    try:
        return [str(stamp), line.decode(), dict(metadata)]
    except UnicodeDecodeError:
        return [str(stamp), text(line), dict(metadata), {"line_base64": base64.b64encode(line).decode()}]


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    # forward(tenant, streams, headers, body) takes pushes instead, or raises Rejected: faults in front of another Loki.
    forward = None

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError, OSError, ValueError)):
            super().handle_error(request, client_address)


def parse_options(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--address", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0, help="0: any free one")
    p.add_argument("--port-file", help="gets the port's number once the server listens")
    p.add_argument("--auth", action="store_true", help="X-Scope-OrgID is required, and the tenant")
    p.add_argument("--no-service-name", dest="service_name", action="store_false",
                   help="no service_name label; one bad stream does not refuse the whole push")
    p.add_argument("--max-chunk-age", type=float, default=7200, help="seconds; half of it is the window")
    p.add_argument("--reject-old", type=float, default=7 * 86400, help="seconds; 0: off")
    p.add_argument("--grace", type=float, default=600, help="seconds into the future")
    p.add_argument("--max-line-size", type=int, default=256 << 10)
    p.add_argument("--max-label-names", type=int, default=15)
    p.add_argument("--max-label-name-length", type=int, default=1024)
    p.add_argument("--max-label-value-length", type=int, default=2048)
    p.add_argument("--max-metadata-size", type=int, default=64 << 10)
    p.add_argument("--max-metadata-count", type=int, default=128)
    p.add_argument("--max-streams", type=int, default=5000)
    p.add_argument("--max-body", type=int, default=100 << 20)
    p.add_argument("--rate", type=float, default=0, help="bytes/s of a tenant; Loki's default is 4 MiB; 0: off")
    p.add_argument("--burst", type=float, default=6 << 20)
    p.add_argument("--stream-rate", type=float, default=0, help="bytes/s of a stream; Loki's default is 3 MiB; 0: off")
    p.add_argument("--stream-burst", type=float, default=15 << 20)
    p.add_argument("--block-size", type=int, default=256 << 10, help="a copy within it is dropped, a later one stored")
    p.add_argument("--max-entries", type=int, default=100_000, help="of a query; Loki's default is 5000")
    p.add_argument("--max-returned-errors", type=int, default=10)
    p.add_argument("--max-pushes", type=int, default=100_000, help="remembered for /_stats?pushes=1")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args(argv)


def start(argv=()):
    """A server that is not yet serving, for tests in Python: server.serve_forever()."""
    options = parse_options(argv)
    server = Server((options.address, options.port), Handler)
    server.loki = Loki(options)
    server.faults = Faults()
    return server


def main():
    server = start(sys.argv[1:])
    options = server.loki.options
    port = server.server_address[1]
    if options.port_file:
        with open(options.port_file + ".new", "w") as f:
            f.write(f"{port}\n")
        os.rename(options.port_file + ".new", options.port_file)
    print(f"http://{options.address}:{port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
