#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs journal cases: a real journal file is made of each case's records, and longship reads it.

usage: run_journal.py LONGSHIP CASES.jsonl…

A case is one JSON object a line: id, component_id, rules (relabel rules), format_as_json, in (fields of records), out (line and
labels), metrics. Journal files are made by systemd-journal-remote; without it all cases are skipped.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

REMOTE = "/lib/systemd/systemd-journal-remote"
BOOT_ID = "%032x" % 0xb007  # every record has one; the cases do not know it
FIRST_US = 1767323045000000  # 2026-01-02T03:04:05Z
SECONDS = 60


def export_text(records):
    """The journal's export format."""
    out = b""
    for i, fields in enumerate(records):
        out += b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n" % (FIRST_US + i, 1000 + i, BOOT_ID.encode())
        for name, value in fields.items():
            value = value.encode("utf-8", "surrogateescape")
            if b"\n" in value:
                out += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
            else:
                out += name.encode() + b"=" + value + b"\n"
        out += b"\n"
    return out


def config(case, directory, label):
    rules = "".join("\trule {\n%s\t}\n" % "".join("\t\t%s = %s\n" % (k, json.dumps(v)) for k, v in rule.items())
                    for rule in case.get("rules", []))
    return """logging { format = "json" }
loki.source.journal "%s" {
	path = %s
	max_age = "1000000h"
	format_as_json = %s
	relabel_rules = discovery.relabel.rules.rules
	forward_to = [loki.echo.out.receiver]
}
discovery.relabel "rules" {
	targets = []
%s}
loki.echo "out" { }
""" % (label, json.dumps(os.path.join(directory, "journal")), json.dumps(bool(case.get("format_as_json"))), rules)


def scrape(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=10) as page:
        return page.read().decode()


def value_of(page, name, labels=""):
    for line in page.splitlines():
        if line.startswith(name + "{") and labels in line:
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def labels_of(text):
    return {k: json.loads('"%s"' % v) for k, v in re.findall(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"', text)}


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_longship(binary, case, directory, label):
    """What longship forwarded, and its metrics."""
    path, port = os.path.join(directory, "config.alloy"), free_port()
    with open(path, "w", encoding="utf-8") as f:
        f.write(config(case, directory, label))
    log = open(os.path.join(directory, "log"), "w+b")
    ship = subprocess.Popen([binary, "run", "--storage.path=" + os.path.join(directory, "state"),
                             "--server.http.listen-addr=127.0.0.1:%d" % port, path], stdout=log, stderr=log)
    page, end = "", time.time() + SECONDS
    try:
        while time.time() < end and ship.poll() is None:
            try:
                page = scrape(port)
            except OSError:
                page = ""
            if value_of(page, "longship_entries_read_total") == len(case["in"]) and \
                    value_of(page, "longship_entries_in_flight") == 0:
                break
            time.sleep(0.01)
    finally:
        ship.terminate()
        ship.wait()
    log.seek(0)
    text = log.read().decode("utf-8", "replace")
    log.close()
    entries = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if "entry" in record:
            line = re.sub(',?"_BOOT_ID":"%s"' % BOOT_ID, "", record["entry"])
            entries.append({"line": line, "labels": labels_of(record["labels"]), "ts": record["entry_timestamp"]})
    return entries, page, text


def run_case(binary, case, directory):
    """None when it passed, else what is wrong."""
    os.mkdir(os.path.join(directory, "journal"))
    made = subprocess.run([REMOTE, "-o", os.path.join(directory, "journal", "a.journal"), "-"], input=export_text(case["in"]),
                          capture_output=True, timeout=60, check=False)
    if made.returncode != 0:
        return "systemd-journal-remote: " + made.stderr.decode()
    known = case["component_id"]
    label = known.rsplit(".", 1)[1] if known.startswith("loki.source.journal.") else "case"
    got, page, log = run_longship(binary, case, directory, label)
    want = [{"line": e["line"], "labels": {k: "loki.source.journal." + label if k == "job" and v == known else v
                                           for k, v in e["labels"].items()}} for e in case.get("out", [])]
    if [{"line": e["line"], "labels": e["labels"]} for e in got] != want:
        return "want %s\n  got %s\n%s" % (json.dumps(want), json.dumps(got), log[:2000])
    times = [e["ts"] for e in got]
    if times != sorted(set(times)):
        return "times are not ascending: %s" % times
    for series, value in (case.get("metrics") or {}).items():
        name, _, labels = series.partition("{")
        if value_of(page, name, labels.rstrip("}")) != value:
            return "%s is not %s\n%s" % (series, value, "\n".join(x for x in page.splitlines() if "journal" in x))
    return None


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = skipped = 0
    for path in sys.argv[2:]:
        for number, text in enumerate(open(path, encoding="utf-8"), 1):
            if not text.strip():
                continue
            if not os.path.exists(REMOTE):
                skipped += 1
                continue
            case = json.loads(text)
            with tempfile.TemporaryDirectory() as directory:
                wrong = run_case(sys.argv[1], case, directory)
            if wrong is None:
                passed += 1
            else:
                failed += 1
                print("%s:%d: %s: %s" % (path, number, case.get("id"), wrong))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
