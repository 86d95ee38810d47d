#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs relabel cases through `longship inspect` of a loki.relabel.

usage: run_relabel.py LONGSHIP CASES.jsonl…

A case is one JSON object a line: id, rules (a list of rule blocks as objects), in and out (labels; out null: dropped),
or config_error (a substring; "" is any error), or config_ok.
"""
import json
import os
import subprocess
import sys
import tempfile


def literal(value):
    if isinstance(value, list):
        return "[%s]" % ", ".join(literal(v) for v in value)
    return json.dumps(value, ensure_ascii=False)


def config_of(case):
    rules = "".join("\trule {\n%s\t}\n" % "".join("\t\t%s = %s\n" % (k, literal(v)) for k, v in rule.items())
                    for rule in case["rules"])
    return 'loki.relabel "t" {\n\tforward_to = []\n%s}\n' % rules


def run_case(binary, case, directory):
    """None when it passed, else what is wrong."""
    config = os.path.join(directory, "config.alloy")
    with open(config, "w", encoding="utf-8") as f:
        f.write(config_of(case))
    entry = json.dumps({"line": "x", "labels": case.get("in") or {}})
    done = subprocess.run([binary, "inspect", config, "loki.relabel.t", "--input=jsonl", "--output=jsonl"],
                          input=entry.encode(), capture_output=True, timeout=20, check=False)
    errors = done.stderr.decode(errors="replace")
    if case.get("config_error") is not None:
        good = done.returncode == 1 and case["config_error"] in errors
        return None if good else "exit %d, want an error with %r\n%s" % (done.returncode, case["config_error"], errors)
    if done.returncode != 0:
        return "exit %d\n%s" % (done.returncode, errors)
    if case.get("config_ok"):
        return None
    got = [json.loads(line).get("labels", {}) for line in done.stdout.splitlines()]
    want = [] if case["out"] is None else [case["out"]]
    return None if got == want else "want %s\n  got %s" % (json.dumps(want), json.dumps(got))


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for path in sys.argv[2:]:
            for number, text in enumerate(open(path, encoding="utf-8"), 1):
                if not text.strip():
                    continue
                case = json.loads(text)
                wrong = run_case(sys.argv[1], case, directory)
                passed += wrong is None
                failed += wrong is not None
                if wrong is not None:
                    print("%s:%d: %s: %s" % (path, number, case.get("id"), wrong))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
