#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the plain cases of CASES/expr.jsonl through `longship eval` and `longship fmt`.

usage: run_expr.py LONGSHIP CASES_DIR

Cases that need a scope, a schema, a target type or a source of statements with values are covered by unit
tests and skipped here; sources that must parse or must not are given to `fmt`.
"""
import json
import os
import re
import subprocess
import sys


def run(binary, args, stdin=None, env=None):
    done = subprocess.run([binary] + args, input=stdin, capture_output=True, env={**os.environ, **(env or {})}, timeout=20)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def same(got, want):
    if isinstance(got, bool) or isinstance(want, bool):
        return got is want
    if isinstance(got, (int, float)) and isinstance(want, (int, float)):
        return got == want
    if type(got) is not type(want):
        return False
    if isinstance(got, list):
        return len(got) == len(want) and all(same(g, w) for g, w in zip(got, want))
    if isinstance(got, dict):
        return got.keys() == want.keys() and all(same(got[k], want[k]) for k in got)
    return got == want


def sort_key(value):
    return json.dumps(value, sort_keys=True)


def converted(got, target):
    """What a plain value becomes in an argument of that type."""
    if target == "string" and isinstance(got, (int, float)):
        return repr(got)
    if target in ("int", "number") and isinstance(got, str):
        return float(got)
    return got


def wanted_errors(case):
    errors = list(case.get("errors", [])) + ([case["error"]] if "error" in case else [])
    return [re.sub(r"\\(.)", r"\1", e) for e in errors]


def run_expr(binary, case):
    code, out, err = run(binary, ["eval", "--", case["expr"]], env=case.get("env"))
    if "value" in case:
        if code != 0:
            return "exit %d: %s" % (code, err)
        got, want = converted(json.loads(out), case.get("as")), case["value"]
        if case.get("unordered"):
            got, want = sorted(got, key=sort_key), sorted(want, key=sort_key)
        return None if same(got, want) else "got %s" % out.decode()
    if case.get("parse_ok"):
        code, out, err = run(binary, ["fmt"], stdin=b"a = " + case["expr"].encode() + b"\n")
        return None if code == 0 else err
    if code != 1:
        return "exit %d instead of 1" % code
    missing = [e for e in wanted_errors(case) if e not in err]
    return "lacks %s in: %s" % (missing, err) if missing else None


def run_source(binary, case):
    source = bytes.fromhex(case["source_hex"]) if "source_hex" in case else case["source"].encode()
    code, _, err = run(binary, ["fmt"], stdin=source)
    if case.get("parse_ok"):
        return None if code == 0 else err
    if code != 1:
        return "exit %d instead of 1" % code
    if "source_hex" in case:
        return None if "encoding" in err else err
    missing = [e for e in wanted_errors(case) if e not in err]
    return "lacks %s in: %s" % (missing, err) if missing else None


def main():
    binary, cases = sys.argv[1], sys.argv[2]
    failed = ran = skipped = 0
    with open(os.path.join(cases, "expr.jsonl"), encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            if "scope" in case or "schema" in case:
                skipped += 1
                continue
            ran += 1
            why = (run_expr if "expr" in case else run_source)(binary, case)
            if why:
                failed += 1
                print("%s: %s\n    %s" % (case["id"], case.get("expr", case.get("source")), why))
    print("%d passed, %d failed, %d skipped" % (ran - failed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
