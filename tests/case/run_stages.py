#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs stage cases through `longship inspect`.

usage: run_stages.py LONGSHIP [CASES.jsonl…]        (default: tests/case/stage/*.jsonl)

A case is one JSON object a line: id, config (stage blocks), in, out (entries), and optionally config_error
(a substring; "" is any error), config_ok, unordered, unordered_from, out_count, sm_json_equal, metrics, now.
In an entry: ts null is not asserted, ts_rel is relative to now, {current year} is the year of now, sleep_ms_*
moves the virtual clock. A case runs in a directory with the databases of tests/support/mmdb.py under testdata.
"""
import datetime
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import mmdb  # noqa: E402

DEFAULT_NOW = "2026-06-15T12:00:00Z"
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


def ns_of(text):
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    zone = "+00:00" if m[3] == "Z" else m[3]
    sec = datetime.datetime.fromisoformat(m[1] + zone)
    since = sec - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86400 + since.seconds) * 10**9 + int((m[2] or "").ljust(9, "0")[:9])


def text_of(ns):
    sec = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9)
    return "%s.%09dZ" % (sec.isoformat(), ns % 10**9)


def duration_ns(text):
    sign = -1 if text.startswith("-") else 1
    return sign * round(sum(float(n) * UNITS[u] for n, u in re.findall(r"([\d.]+)(ms|h|m|s)", text)) * 10**9)


def input_lines(case, now):
    """Entries as inspect reads them. The clock is --now, so a line without a time of its own has that of now."""
    lines, at_ms = [], 0
    for entry in case.get("in", []):
        at_ms += entry.get("sleep_ms_before", 0)
        made = {"line": entry.get("line", ""), "labels": entry.get("labels", {}), "at_ms": at_ms,
                "structured_metadata": entry.get("structured_metadata", {})}
        if "ts_rel" in entry:
            made["ts"] = text_of(ns_of(now) + duration_ns(entry["ts_rel"]))
        elif entry.get("ts") is not None:
            made["ts"] = entry["ts"]
        lines.append(json.dumps(made))
        at_ms += entry.get("sleep_ms_after", 0)
    return "".join(line + "\n" for line in lines)


def json_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def normal(entry, json_names):
    """An entry to compare: everything the runner of cases asserts."""
    sm = {k: json_of(v) if json_names is True or k in json_names else v for k, v in (entry.get("structured_metadata") or {}).items()}
    return {"labels": entry.get("labels", {}), "line": entry.get("line"), "structured_metadata": sm}


def same(want, got, now, json_names):
    if normal(want, json_names) != normal(got, json_names):
        return False
    if want.get("ts") is None:
        return True
    return ns_of(want["ts"].replace("{current year}", now[:4])) == ns_of(got["ts"])


def compare(case, got, now):
    want = case.get("out", [])
    names = case.get("sm_json_equal") or []  # true: all of them
    if "out_count" in case:
        return case["out_count"]["min"] <= len(got) <= case["out_count"]["max"]
    if len(want) != len(got):
        return False
    ordered = 0 if case.get("unordered") else case.get("unordered_from", len(want))
    if not all(same(w, g, now, names) for w, g in zip(want[:ordered], got[:ordered])):
        return False
    left = got[ordered:]
    for w in want[ordered:]:
        found = next((g for g in left if same(w, g, now, names)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def parse_metrics(text):
    """name → [(labels, value)]; the labels that every component's series has are left out."""
    found = {}
    for line in text.splitlines():
        m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if m is None or line.startswith("#"):
            continue
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m[2] or ""))
        for name in ("component_id", "component_path"):
            labels.pop(name, None)
        found.setdefault(m[1], []).append((labels, float(m[3])))
    return found


def metrics_equal(case, text):
    have = parse_metrics(text)
    for series, value in (case.get("metrics") or {}).items():
        (name, wanted), = parse_metrics("%s %s" % (series, value)).items()
        if wanted[0] not in have.get(name, []) and not (value == 0 and name not in have):
            return False
    return True


def run_case(binary, case, directory):
    """None when it passed, else what is wrong."""
    now = case.get("now") or DEFAULT_NOW
    config, metrics = os.path.join(directory, "config.alloy"), os.path.join(directory, "metrics")
    with open(config, "w", encoding="utf-8") as f:
        f.write('loki.process "t" {\n\tforward_to = []\n%s\n}\n' % case["config"])
    command = [binary, "inspect", config, "loki.process.t", "--input=jsonl", "--output=jsonl", "--now=" + now, "--metrics=" + metrics]
    if case.get("config_ok"):
        command = [binary, "validate", config]  # what it names need not be there
    done = subprocess.run(command, input=input_lines(case, now).encode(), capture_output=True, timeout=20, check=False, cwd=directory)
    errors = done.stderr.decode(errors="replace")
    if case.get("config_error") is not None:
        if done.returncode == 1 and case["config_error"] in errors:
            return None
        return "exit %d, want an error with %r\n%s" % (done.returncode, case["config_error"], errors)
    if done.returncode != 0:
        return "exit %d\n%s" % (done.returncode, errors)
    if case.get("config_ok"):
        return None
    got = [json.loads(line) for line in done.stdout.splitlines()]
    if not compare(case, got, now):
        return "want %s\n  got %s" % (json.dumps(case.get("out")), json.dumps(got))
    with open(metrics, encoding="utf-8") as f:
        page = f.read()
    if not metrics_equal(case, page):
        return "metrics: want %s, got\n%s" % (case["metrics"], page)
    return None


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    here = os.path.dirname(os.path.abspath(__file__))
    paths = sys.argv[2:] or sorted(glob.glob(os.path.join(here, "stage", "*.jsonl")))
    passed = failed = skipped = 0
    binary = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(os.path.join(directory, "testdata"))
        mmdb.write_all(os.path.join(directory, "testdata"))
        for path in paths:
            for number, text in enumerate(open(path, encoding="utf-8"), 1):
                if not text.strip():
                    continue
                case = json.loads(text)
                if "stage." not in case.get("config", ""):
                    skipped += 1
                    continue
                wrong = run_case(binary, case, directory)
                if wrong is None:
                    passed += 1
                    continue
                failed += 1
                print("%s:%d: %s: %s" % (path, number, case.get("id"), wrong))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
