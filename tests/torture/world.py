# SPDX-License-Identifier: Apache-2.0
"""What a round of torture runs in: a fake Loki, longship, the disk of its store, and someone who scrapes."""
import http.client
import os
import re
import signal
import subprocess
import threading
import time

import fakeloki
import oracle
import probe

LOKI_SH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "loki", "loki.sh")
TENANT = "torture"
SEQ = re.compile(rb"^run=\S+ stream=(\S+) seq=(\d+) ")
SCRAPE_PAUSE_S = 0.2


class Broken(Exception):
    """What a round set out to disprove."""


class Loki:
    """A fake Loki in this process, which knows at any time what has arrived."""

    def __init__(self):
        self.server = fakeloki.start(["--auth", "--max-line-size", "0", "--reject-old", "0", "--max-entries", "1000000"])
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.arrived = {}       # stream → set of numbers
        self.push, self.server.loki.push = self.server.loki.push, self.note
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def note(self, tenant, streams, partial=None):
        self.push(tenant, streams, partial)
        self.has_come(streams)

    def has_come(self, streams):
        for _, entries in streams:
            for _, line, _ in entries:
                match = SEQ.match(line)
                if match:
                    self.arrived.setdefault(match[1].decode(), set()).add(int(match[2]))

    def has(self, file):
        return len(self.arrived.get(file.stream, ())) >= file.written

    def how_many(self):
        return sum(len(numbers) for numbers in list(self.arrived.values()))

    def cut(self, faults):
        with self.server.faults.lock:
            self.server.faults.list.clear()
        self.server.faults.add(faults)

    def mend(self):
        self.cut([])

    def counted(self):
        """Entries with the copies that only log queries merge."""
        tenant = self.server.loki.tenants.get(TENANT)
        return sum(len(s.entries) for s in tenant.streams.values()) if tenant else 0

    def reader(self):
        return oracle.Loki(self.url, '{job="torture"}', TENANT)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class RealLoki(Loki):
    """A real Loki of its own behind the fake one, which has the faults."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        port = subprocess.run(["python3", probe.__file__, "ports", "1"], capture_output=True, text=True, check=True).stdout.strip()
        begun = subprocess.run([LOKI_SH, "start", folder, port], env={**os.environ, "LOKI_AUTH": "true"}, capture_output=True, text=True,
                               check=False)
        if begun.returncode != 0:
            super().close()
            raise Broken(f"no Loki: {begun.stderr.strip()}")
        self.real = begun.stdout.strip()
        self.server.forward = self.forward

    def forward(self, tenant, streams, headers, body):
        kept = {name: headers[name] for name in ("Content-Type", "Content-Encoding") if headers[name]}
        connection = http.client.HTTPConnection(self.real[len("http://"):], timeout=60)
        try:
            connection.request("POST", "/loki/api/v1/push", body, {**kept, "X-Scope-OrgID": tenant})
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status != 204:
            raise fakeloki.Rejected(answer.status, said)
        self.has_come(streams)

    def reader(self):
        return oracle.Loki(self.real, '{job="torture"}', TENANT)

    def counted(self):
        result = self.reader().ask("/loki/api/v1/query", query='sum(count_over_time({job="torture"}[2h]))', time=time.time_ns())["result"]
        return int(result[0]["value"][1]) if result else 0

    def close(self):
        super().close()
        subprocess.run([LOKI_SH, "stop", self.folder], capture_output=True, check=False)


class Disk:
    """The file system of the store; a small one of its own where that is permitted."""

    def __init__(self, path):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.makedirs(path)
        self.own = os.getuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m", "longship-torture", path], capture_output=True, check=False).returncode == 0

    def fill(self):
        with open(self.filler, "wb", buffering=0) as f:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while f.write(bytes(size)):
                        pass
                except OSError:
                    pass

    def free(self):
        os.unlink(self.filler)

    def close(self):
        if self.own:
            subprocess.run(["umount", self.path], capture_output=True, check=False)


class Ship:
    def __init__(self, binary, folder, store, config):
        self.binary, self.store, self.config = binary, store, config
        self.log_path = os.path.join(folder, "ship.log")
        self.log = open(self.log_path, "ab")  # pylint: disable=consider-using-with
        port = subprocess.run(["python3", probe.__file__, "ports", "1"], capture_output=True, text=True, check=True).stdout.strip()
        self.url = "http://127.0.0.1:" + port
        self.process = None
        self.read_bytes = 0     # of lives that have ended
        self.problems, self.scrapes, self.resent = [], 0, 0
        self.watch = None
        self.lock = threading.Lock()
        self.ended = False
        self.last = None        # words, once it is closed
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ended:
            with self.lock:
                if self.watch is not None:
                    try:
                        self.watch.look(probe.scrape(self.url))
                    except (OSError, ValueError):
                        pass
            time.sleep(SCRAPE_PAUSE_S)

    def up(self):
        return self.process is not None

    def start(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([self.binary, "run", "--server.http.listen-addr=" + self.url[len("http://"):],
                                         "--storage.path=" + self.store, "--drain-timeout=2s", self.config],
                                        stdout=self.log, stderr=self.log)
        self.watch = probe.Watch()
        wait_for(30, "longship is ready", self.ready)

    def ready(self):
        self.alive()
        try:
            probe.get(self.url + "/-/ready", timeout=5)
            return True
        except OSError:
            return False

    def alive(self):
        if self.process is not None and self.process.poll() is not None:
            raise Broken(f"longship ended with status {self.process.returncode}")

    def metric(self, name, **labels):
        try:
            return probe.total(probe.scrape(self.url), name, labels)
        except OSError:
            self.alive()
            return -1

    def bytes_read(self):
        """Of all lives, by the kernel's count; what came from sockets is not in it."""
        if self.process is None:
            return self.read_bytes
        with open(f"/proc/{self.process.pid}/io", encoding="ascii") as f:
            return self.read_bytes + int(f.readline().split()[1])

    def end(self, sig):
        self.alive()
        self.read_bytes = self.bytes_read()
        with self.lock:
            watch, self.watch = self.watch, None
        self.scrapes += watch.scrapes
        self.problems += watch.problems
        self.resent += int(sum(has.get("resent_total", 0) for has in watch.last.values()))
        self.process.send_signal(sig)
        try:
            status = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Broken("longship does not end on SIGTERM within 60 s") from None
        self.process = None
        if sig == signal.SIGTERM and status != 0:
            raise Broken(f"longship ended with status {status} on SIGTERM")

    def kill(self):
        self.end(signal.SIGKILL)

    def stop(self):
        self.end(signal.SIGTERM)

    def last_words(self):
        """Warnings, and what a sanitizer said."""
        if self.last is not None:
            return self.last
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return [line.rstrip()[:300] for line in f if "level=info" not in line][-20:]

    def reload(self):
        request = probe.urllib.request.Request(self.url + "/-/reload", method="POST")
        try:
            with probe.OPENER.open(request, timeout=60):
                pass
        except OSError as error:
            self.alive()
            raise Broken(f"reload: {error}") from None

    def close(self):
        """last_words works afterwards as well."""
        self.ended = True
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.thread.join()
        self.last = self.last_words()
        self.log.close()


def wait_for(seconds, text, condition, progress=lambda: None):
    """For so long at most since progress() changed last."""
    end, was = time.monotonic() + seconds, progress()
    while not condition():
        now = progress()
        if now != was:
            end, was = time.monotonic() + seconds, now
        if time.monotonic() > end:
            raise Broken(f"{text}: not within {seconds} s")
        time.sleep(0.02)
