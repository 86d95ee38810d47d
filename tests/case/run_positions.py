#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs cases of other shippers' positions files through `longship positions` and `longship run`.

usage: run_positions.py LONGSHIP CASES.jsonl…

A case is one JSON object a line. op: read (file is imported), put_save_read (then put is set), convert_legacy (a
loki.source.file with legacy_positions_file = legacy starts on a store with file imported), convert_legacy_journal (the
same with a loki.source.journal). file, legacy: text, null for none; …_is_directory. entries: what an export in Alloy's
format gives then, in any order; error, errors: substrings of the message, <…> standing for the file's path.
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ENTRY = re.compile(r"^  \? path: (.*)\n    labels: (.*)\n  : \"(.*)\"\n", re.M)
SKIPPED = {
    "ignore_invalid_yaml": "there is no such switch, Alloy never sets it",
    "read_only": "a mode of Alloy's code that no user reaches",
}


class Wrong(Exception):
    pass


def unquote(text):
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


class Case:
    def __init__(self, binary, case, directory):
        self.binary, self.case, self.directory = binary, case, directory
        self.store = os.path.join(directory, "store")
        self.journal = case["op"] == "convert_legacy_journal"
        self.component = case.get("component_id") or "loki.source.file.t"

    def positions(self, *args):
        return subprocess.run([self.binary, "positions", "--storage.path=" + self.store, *args], capture_output=True,
                              timeout=20, check=False)

    def put_file(self, key):
        path = os.path.join(self.directory, key + ".yml")
        if self.case.get(key + "_is_directory"):
            os.mkdir(path)
        elif self.case.get(key) is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.case[key])
        return path

    def fails(self, done, path):
        text = done.stderr.decode(errors="replace") if isinstance(done.stderr, bytes) else done.stderr
        wanted = [self.case["error"]] + self.case.get("errors", [])
        for want in wanted:
            want = path if want.startswith("<") else want
            if done.returncode != 1 or want not in text:
                raise Wrong("exit %d, want 1 and %r in: %s" % (done.returncode, want, text))

    def compare(self):
        done = self.positions("export", "--format=alloy", "--component=" + self.component)
        text = done.stdout.decode()
        if done.returncode != 0:
            raise Wrong("export: exit %d: %s" % (done.returncode, done.stderr.decode()))
        got = sorted((unquote(p), unquote(l), v) for p, l, v in ENTRY.findall(text))
        want = sorted((e["path"], e["labels"], e["value"]) for e in self.case["entries"])
        if self.journal:  # a cursor has no labels; Alloy writes "{}" when it converts one and looks for ""
            want = [(path, "", value) for path, _, value in want]
        if got != want:
            raise Wrong("want %r\n  got %r" % (want, got))

    def read(self):
        path = self.put_file("file")
        done = self.positions("import", path, "--component=" + self.component)
        if self.case.get("error"):
            return self.fails(done, path)
        for put in self.case.get("put", []):
            if done.returncode == 0:
                done = self.positions("set", "--labels=" + put["labels"], "--component=" + self.component, put["path"],
                                      put["value"])
        if done.returncode != 0:
            raise Wrong("exit %d: %s" % (done.returncode, done.stderr.decode()))
        return self.compare()

    def config(self, legacy):
        path = os.path.join(self.directory, "config.alloy")
        kind, name = self.component.rsplit(".", 1)
        inner = ("legacy_position {\nfile = %s\nname = %s\n}" % (json.dumps(legacy), json.dumps(self.case.get("job")))
                 if self.journal else "targets = []\nlegacy_positions_file = %s" % json.dumps(legacy))
        with open(path, "w", encoding="utf-8") as f:
            f.write("%s %s {\nforward_to = []\n%s\n}\n" % (kind, json.dumps(name), inner))
        return path

    def convert(self):
        legacy = self.put_file("legacy")
        if self.case.get("file") is not None:
            done = self.positions("import", self.put_file("file"), "--component=" + self.component)
            if done.returncode != 0:
                raise Wrong("import: " + done.stderr.decode())
        command = [self.binary, "run", "--storage.path=" + self.store, "--server.http.listen-addr=127.0.0.1:0",
                   self.config(legacy)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as ship:
            end = time.monotonic() + 20
            while ship.poll() is None and time.monotonic() < end:
                status = subprocess.run([self.binary, "status", "--storage.path=" + self.store], capture_output=True,
                                        timeout=20, check=False)
                if status.returncode == 0:
                    break
                time.sleep(0.05)
            ship.send_signal(signal.SIGTERM)
            ship.stderr_text = ship.communicate(timeout=20)[1]
        if self.case.get("error"):
            return self.fails(subprocess.CompletedProcess(command, ship.returncode, "", ship.stderr_text), legacy)
        if ship.returncode != 0:
            raise Wrong("run: exit %d: %s" % (ship.returncode, ship.stderr_text))
        return self.compare()

    def run(self):
        return self.read() if self.case["op"] in ("read", "put_save_read") else self.convert()


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = skipped = 0
    for path in sys.argv[2:]:
        for number, text in enumerate(open(path, encoding="utf-8"), 1):
            if not text.strip():
                continue
            case = json.loads(text)
            if any(case.get(key) for key in SKIPPED):
                skipped += 1
                continue
            with tempfile.TemporaryDirectory() as directory:
                try:
                    Case(sys.argv[1], case, directory).run()
                    passed += 1
                except Wrong as wrong:
                    failed += 1
                    print("%s:%d: %s: %s" % (path, number, case.get("id"), wrong))
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
