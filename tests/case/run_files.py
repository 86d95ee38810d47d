#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs cases of followed files and of path patterns: longship follows real files into a fake Loki.

usage: run_files.py LONGSHIP CASES.jsonl…

A case is one JSON object a line: id, and either steps, executed in order on one file, <path>:
  write (data appended; hex; compress gz, z), truncate_and_write, rotate (rename_to, data of the new file), atomic_replace (data), remove,
  copytruncate (to), link (to: what <path> becomes a symbolic link to, with data), open, start (labels, offset, encoding, decompression, tail_from_end,
  on_positions_file_error), close, stop, kill, remove_target, legacy_positions_file (positions), set_position (value),
  block_receiver, unblock_receiver, expect (lines with their end offset, the last of which must be the position in the end), expect_nothing,
  expect_position (value), expect_tailer_ended (longship runs and says that it looks for the file), last_newline (data, encoding,
  offset: where tail_from_end begins), config_error (substring; arguments as open)
or files to make, targets, file_match_enabled, expect (path and labels of each file that is followed; unordered). <dir> is the case's
directory. signature_equal tests a function that longship has not, and is skipped.
"""
import bz2
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
import fakeloki  # noqa: E402

COMPONENT = "loki.source.file.t"
ENTRY = re.compile(r"^  \? path: (.*)\n    labels: (.*)\n  : \"(.*)\"\n", re.M)
SECONDS = 60
NOTHING_S = 0.3     # how long nothing must come
COMPRESS = {"gz": gzip.compress, "z": zlib.compress, "bz2": bz2.compress}

# Cases of Alloy's own tests where longship does otherwise on purpose (docs/compatibility.md): why, and what stands in the place
# of a step.
OTHERWISE = {
    "file_tail-07": ("a writer may still finish the last line of a renamed file: it is sent when nothing came for 10 s", {
        4: {"op": "expect", "lines": [{"line": "line3"}, {"line": "line4"}, {"line": "newline1"}, {"line": "newline2"},
                                      {"line": "partial"}]}}),
    "file_tail-09": ("another file that begins alike is another file: what it holds must not be passed over", {
        4: {"op": "expect", "lines": [{"line": "line3"}, {"line": "line4"}, {"line": "line1"}, {"line": "line2"}, {"line": "line3"},
                                      {"line": "line4"}, {"line": "newline1", "offset": 33}]}}),
    "file_tail-55": ("a target that comes back is not read twice", {5: {"op": "expect_position", "value": 18}}),
    "file_tail-57": ("both lines are stored before the receiver blocks, and a position is that of what is stored", {
        2: {"op": "expect", "lines": [{"line": "1"}, {"line": "2"}]}, 5: {"op": "expect_position", "value": 4}}),
}


class Wrong(Exception):
    pass


class Skipped(Exception):
    pass


def wait_for(text, condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(text() if callable(text) else text)
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Receiver:
    """A fake Loki; what each tenant got, in the order of arrival."""

    def __init__(self):
        self.server = fakeloki.start(["--auth", "--max-line-size", "0", "--reject-old", "0"])
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.got = {}       # tenant → [(labels, line)]
        self.push, self.server.loki.push = self.server.loki.push, self.note
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, tenant, streams, partial=None):
        self.push(tenant, streams, partial)
        for labels, entries in streams:
            self.got.setdefault(tenant, []).extend((labels, line.decode("utf-8", "surrogateescape")) for _, line, _ in entries)

    def block(self, tenant, blocked):
        self.server.faults.list[:] = []
        if blocked:
            self.server.faults.add({"times": -1, "tenant": tenant, "refuse": 503})


class Case:
    def __init__(self, binary, receiver, case, directory, tenant):
        self.binary, self.receiver, self.case, self.directory, self.tenant = binary, receiver, case, directory, tenant
        self.store, self.config = os.path.join(directory, "store"), os.path.join(directory, "config.alloy")
        self.files = os.path.join(directory, "files")
        self.path = os.path.join(self.files, "file.log")
        self.ship = self.url = None
        self.taken = 0          # lines that were expected
        self.last_offset = None
        self.arguments, self.labels = {}, {}
        self.legacy = None
        os.mkdir(self.files)

    # ---- longship

    def write_config(self, targets, arguments, pattern=False):
        inner, before = "targets = %s\n" % targets, ""
        if pattern and b"file_match" in subprocess.run([self.binary, "help", "loki.source.file"], capture_output=True, check=True).stdout:
            inner += "file_match {\nenabled = true\n}\n"
        elif pattern:
            before = 'local.file_match "m" {\npath_targets = %s\n}\n' % targets
            inner = "targets = local.file_match.m.targets\n"
        for name in ("encoding", "tail_from_end", "on_positions_file_error"):
            if arguments.get(name) is not None:
                inner += "%s = %s\n" % (name, json.dumps(arguments[name]))
        if self.legacy:
            inner += "legacy_positions_file = %s\n" % json.dumps(self.legacy)
        if arguments.get("decompression"):
            inner += "decompression {\nenabled = true\nformat = %s\n}\n" % json.dumps(arguments["decompression"])
        with open(self.config, "w", encoding="utf-8") as f:
            f.write('%sloki.source.file "t" {\nforward_to = [loki.write.w.receiver]\n%s}\nloki.write "w" {\nendpoint {\n'
                    'url = "%s/loki/api/v1/push"\ntenant_id = "%s"\nbatch_wait = "10ms"\nmin_backoff_period = "20ms"\n'
                    'max_backoff_period = "100ms"\nremote_timeout = "1s"\n}\n}\n' % (before, inner, self.receiver.url, self.tenant))

    def targets(self):
        return "[%s]" % json.dumps({"__path__": self.path, **self.labels}).replace('":', '" =')

    def begin(self):
        log, port = os.path.join(self.directory, "log"), free_port()
        self.url = "http://127.0.0.1:%d" % port
        began = os.path.getsize(log) if os.path.exists(log) else 0
        with open(log, "ab") as out:
            self.ship = subprocess.Popen(  # pylint: disable=consider-using-with
                [self.binary, "run", "--storage.path=" + self.store, "--server.http.listen-addr=127.0.0.1:%d" % port, "--drain-timeout=500ms",
                 self.config], stdout=out, stderr=out, cwd=self.files)

        def listens():
            with open(log, encoding="utf-8", errors="replace") as f:
                f.seek(began)
                text = f.read()
            if self.ship.poll() is not None:
                raise Wrong("longship ended: " + text[max(0, text.find("Error: ")):].split("\n")[0])
            return "longship is running" in text
        wait_for("longship does not start", listens)

    def end(self, sig=signal.SIGTERM):
        self.ship.send_signal(sig)
        status = self.ship.wait(timeout=SECONDS)
        self.ship = None
        if sig == signal.SIGTERM and status != 0:
            raise Wrong("longship ended with status %d" % status)

    def reload(self):
        with urllib.request.urlopen(urllib.request.Request(self.url + "/-/reload", method="POST"), timeout=SECONDS):
            pass

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def command(self, *args):
        done = subprocess.run([self.binary, "positions", args[0], "--storage.path=" + self.store, "--component=" + COMPONENT, *args[1:]],
                              capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise Wrong("positions %s: %s" % (args[0], done.stderr))
        return done.stdout

    def label_text(self):
        return "{%s}" % ", ".join('%s="%s"' % pair for pair in sorted(self.labels.items()))

    def position(self):
        for path, labels, value in ENTRY.findall(self.command("export", "--format=alloy")):
            if path.strip("'") == self.path and (labels.strip("'") or "{}") == self.label_text():
                return int(value)
        return 0

    # ---- steps

    def data(self, step, key="data"):
        data = bytes.fromhex(step[key]) if step.get("hex") else step[key].encode()
        return COMPRESS[step["compress"]](data) if step.get("compress") else data

    def put(self, path, data, mode="ab"):
        with open(path, mode) as f:
            f.write(data)

    def write(self, step):
        self.put(self.path, self.data(step))

    def truncate_and_write(self, step):
        self.put(self.path, self.data(step), "wb")

    def rotate(self, step):
        os.rename(self.path, step["rename_to"].replace("<path>", self.path))
        self.put(self.path, self.data(step))

    def atomic_replace(self, step):
        self.put(self.path + ".tmp", self.data(step))
        os.rename(self.path + ".tmp", self.path)

    def copytruncate(self, step):
        shutil.copyfile(self.path, step["to"].replace("<path>", self.path))
        os.truncate(self.path, 0)

    def link(self, step):
        target = step["to"].replace("<path>", self.path)
        self.put(target, self.data(step))
        os.symlink(target, self.path + ".tmp")
        os.rename(self.path + ".tmp", self.path)

    def remove(self, _):
        os.unlink(self.path)

    def start(self, step):
        self.labels = step.get("labels", {})
        if step.get("offset"):
            self.command("set", "--labels=" + self.label_text(), self.path, str(step["offset"]))
        self.write_config(self.targets(), step)
        self.begin()

    open = start

    def stop(self, _):
        self.end()

    close = stop

    def kill(self, _):
        self.end(signal.SIGKILL)

    def remove_target(self, _):
        self.write_config("[]", {})
        self.reload()

    def legacy_positions_file(self, step):
        self.legacy = os.path.join(self.directory, "legacy.yml")
        with open(self.legacy, "w", encoding="utf-8") as f:
            f.write("positions:\n" + "".join("  %s: \"%s\"\n" % (k.replace("<path>", self.path), v) for k, v in step["positions"].items()))

    def set_position(self, step):
        path = os.path.join(self.directory, "positions.yml")
        with open(path, "w", encoding="utf-8") as f:
            labels = next((s["labels"] for s in self.case["steps"] if s.get("labels")), {})
            text = "{%s}" % ", ".join('%s="%s"' % pair for pair in sorted(labels.items()))
            f.write("positions:\n  ? path: %s\n    labels: '%s'\n  : %s\n" % (self.path, text, json.dumps(step["value"])))
        self.command("import", path)

    def block_receiver(self, _):
        self.receiver.block(self.tenant, True)

    def unblock_receiver(self, _):
        self.receiver.block(self.tenant, False)

    def got(self):
        return [line for _, line in self.receiver.got.get(self.tenant, [])]

    def expect(self, step):
        want = [line["line"] for line in step["lines"]]
        offset = step["lines"][-1].get("offset") if step["lines"] else None
        wait_for(lambda: "want %r\n  got %r" % (want, self.got()[self.taken:]), lambda: len(self.got()) >= self.taken + len(want))
        got = self.got()[self.taken:self.taken + len(want)]
        if got != want:
            raise Wrong("want %r\n  got %r" % (want, got))
        self.taken += len(want)
        self.last_offset = offset

    def expect_nothing(self, _):
        time.sleep(NOTHING_S)
        if len(self.got()) > self.taken:
            raise Wrong("want nothing\n  got %r" % self.got()[self.taken:])

    def expect_position(self, step):
        if step["value"] == self.position():
            return
        if self.ship is None:
            raise Wrong("position: want %d, got %d" % (step["value"], self.position()))
        wait_for(lambda: "position: want %d, got %d" % (step["value"], self.position()), lambda: step["value"] == self.position(), 5)

    def expect_tailer_ended(self, _):
        wait_for("no word of the file", lambda: "cannot follow file" in self.log())

    def last_newline(self, step):
        self.put(self.path, self.data(step))
        self.start({"tail_from_end": True, "encoding": step["encoding"]})
        self.end()
        if self.position() != step["offset"]:
            raise Wrong("want %d, got %d" % (step["offset"], self.position()))

    def config_error(self, step):
        self.write_config(self.targets(), step)
        done = subprocess.run([self.binary, "validate", self.config], capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 1 or step["error"] not in done.stderr:
            raise Wrong("exit %d, want an error with %r\n%s" % (done.returncode, step["error"], done.stderr))

    def signature_equal(self, _):
        raise Skipped

    def steps(self):
        steps = list(self.case["steps"])
        if self.case.get("id") in OTHERWISE:
            steps = [OTHERWISE[self.case["id"]][1].get(i, step) for i, step in enumerate(steps)]
        for step in steps:
            getattr(self, step["op"])(step)
        if self.ship is not None:
            if self.last_offset is not None and os.path.exists(self.path):
                self.expect_position({"value": self.last_offset})
            self.end()
        if len(self.got()) != self.taken:
            raise Wrong("unexpected: %r" % self.got()[self.taken:])

    def match(self):
        def place(text):
            return text.replace("<dir>", self.files)
        targets = [{k: place(v) for k, v in t.items()} for t in self.case["targets"]]
        enabled = self.case.get("file_match_enabled")
        for name in self.case["files"] or {t["__path__"] for t in targets}:
            path = os.path.join(self.files, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self.put(path, b"a line\n")
        self.write_config("[%s]" % ", ".join(json.dumps(t).replace('": ', '" = ') for t in targets), {}, enabled)
        self.begin()
        want = [{"filename": place(e["path"]), **e["labels"]} for e in self.case["expect"]]
        wait_for(lambda: "want %d lines, got %r" % (len(want), self.receiver.got.get(self.tenant)), lambda: len(self.got()) >= len(want))
        if not want:
            self.expect_nothing(None)
        self.end()
        got = [fakeloki.parse_labels(labels) for labels, _ in self.receiver.got.get(self.tenant, [])]
        key = json.dumps
        if sorted(key(l, sort_keys=True) for l in got) != sorted(key(l, sort_keys=True) for l in want):
            raise Wrong("want %r\n  got %r" % (want, got))

    def run(self):
        try:
            return self.steps() if "steps" in self.case else self.match()
        finally:
            self.receiver.block(self.tenant, False)
            if self.ship is not None:
                self.ship.kill()
                self.ship.wait()


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = skipped = 0
    receiver = Receiver()
    for path in sys.argv[2:]:
        for number, text in enumerate(open(path, encoding="utf-8"), 1):
            if not text.strip():
                continue
            case = json.loads(text)
            with tempfile.TemporaryDirectory() as directory:
                try:
                    Case(os.path.abspath(sys.argv[1]), receiver, case, directory, "%d-%s" % (number, case["id"])).run()
                    passed += 1
                except Skipped:
                    skipped += 1
                except Wrong as wrong:
                    failed += 1
                    print("%s:%d: %s: %s" % (path, number, case["id"], wrong))
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
