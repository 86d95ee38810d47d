#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs `longship validate` over configurations that carry their expectations as comments.

usage: run_graph.py LONGSHIP [FILE.alloy…]        (default: tests/lang/graph/*.alloy)

    // flags: --config.skip-unsupported
    // error 3:7: message          exactly these errors and warnings, in any order; L:C is "-" without a position
    // warning 3:7: message
A file without any is valid. The exit status must be 1 with errors, else 0.
"""
import glob
import os
import re
import subprocess
import sys

EXPECTED = re.compile(r"^\s*// (error|warning) (-|\d+:\d+): (.*)$", re.M)


def check(binary, path):
    text = open(path, encoding="utf-8").read()
    flags = re.search(r"^// flags: (.*)$", text, re.M)
    done = subprocess.run([binary, "validate"] + (flags.group(1).split() if flags else []) + [path],
                          capture_output=True, timeout=20)
    want = sorted(EXPECTED.findall(text))
    header = re.compile(r"^(Error|Warning): (?:%s:)?(-|\d+:\d+): (.*)$" % re.escape(path), re.M)
    got = sorted((kind.lower(), at, message) for kind, at, message in header.findall(done.stderr.decode("utf-8", "replace")))
    wrong = ["missing: %s %s: %s" % d for d in want if d not in got]
    wrong += ["not expected: %s %s: %s" % d for d in got if d not in want]
    status = 1 if any(kind == "error" for kind, _, _ in want) else 0
    if done.returncode != status:
        wrong.append("exit status %d, want %d" % (done.returncode, status))
    return wrong


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lang", "graph")
    paths = [p for p in sys.argv[2:] if p.endswith(".alloy")] or sorted(glob.glob(os.path.join(here, "*.alloy")))
    failed = 0
    for path in paths:
        wrong = check(sys.argv[1], path)
        failed += bool(wrong)
        for line in wrong:
            print("%s: %s" % (path, line))
    print("%d passed, %d failed" % (len(paths) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
