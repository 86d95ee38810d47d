# SPDX-License-Identifier: Apache-2.0
"""Log files that are written and rotated: each has a style, as a logrotate configuration has.

A writer keeps its file open and goes on in the old generation until it is told to open anew, as daemons do; it may
leave a line half written. Nothing that longship cannot have read yet is destroyed: `rotate` says what it needs first.
"""
import gzip
import os
import shutil
import subprocess

from oracle import make_lines

LOGROTATE = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
KEEP = 1000     # generations; none may be deleted while it is unread

# Style: directives for logrotate, or None where the rotation is done here.
STYLES = {
    "create": "create 0644",
    "nocreate": "nocreate",
    "dateext": "create 0644\n dateext\n dateformat -%Y%m%d-%s",
    "olddir": "create 0644\n olddir old",
    "compress": "create 0644\n compress",
    "delaycompress": "create 0644\n compress\n delaycompress",
    "copytruncate": "copytruncate",
    "copycompress": "copytruncate\n compress",
    "delete": None,
    "symlink": None,
    "replace": None,
}
# What must have arrived before the old generation may go. "": nothing, longship finds it whenever it looks again.
# "up": longship runs, and goes on running until the rest has arrived. "begun": the first line of it, while longship runs. "arrived": all of it.
NEEDS = {
    "create": "",
    "nocreate": "",
    "dateext": "",
    "olddir": "",
    "compress": "",
    "delaycompress": "",
    "copytruncate": "begun",
    "copycompress": "begun",
    "delete": "up",
    "symlink": "up",
    "replace": "arrived",
}
# An editor's save is another file that begins alike: its lines come twice (docs/compatibility.md).
DEFAULT_STYLES = sorted(set(STYLES) - {"replace"})


class LogFile:
    def __init__(self, folder, run, style, number, line_bytes):
        self.style, self.stream = style, f"{style}{number}"
        self.folder = os.path.join(folder, self.stream)
        self.path = os.path.join(self.folder, "a.log")
        self.written = 0            # lines, the one that is half written too
        self.bytes = 0
        self.rotations = 0
        self.begins_at = 0          # the number of the first line of this generation
        self.lines = make_lines(run, self.stream, 0, 10**9, line_bytes)
        self.rest = b""             # of the line that is half written
        self.stale = False          # the writer is still in the old generation
        os.makedirs(os.path.join(self.folder, "old"))
        if style == "symlink":
            os.symlink("data.0", self.path)
        self.fd = self.open()

    def open(self):
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def put(self, data):
        view = memoryview(data)
        self.bytes += len(view)
        while view:
            view = view[os.write(self.fd, view):]

    def write(self, count, torn):
        """torn: the last line stays without its end."""
        data = self.rest + b"".join(next(self.lines) for _ in range(count))
        self.written += count
        self.rest = b""
        if torn and count > 0:
            cut = 1 + (self.written * 7) % 30
            data, self.rest = data[:-cut], data[-cut:]
        self.put(data)

    def complete(self):
        """The line that is half written gets its end."""
        if self.rest:
            self.put(self.rest)
            self.rest = b""

    def reopen(self):
        self.complete()
        os.close(self.fd)
        self.fd = self.open()
        self.stale = False

    def needs(self):
        return NEEDS[self.style]

    def rotate(self, late):
        """late: the writer goes on in the old generation for a while, where the style permits."""
        self.rotations += 1
        late = late and self.style in ("create", "nocreate", "dateext", "olddir", "delaycompress", "symlink")
        if self.stale or not late:
            self.complete()
        if STYLES[self.style] is not None:
            self.logrotate()
        else:
            getattr(self, self.style)()
        self.stale = late
        if not late:
            self.reopen()
        self.begins_at = self.written

    def logrotate(self):
        if not os.path.exists(self.path) or os.path.getsize(self.path) == 0:
            return
        if LOGROTATE is None:
            self.logrotate_alike()
            return
        config = os.path.join(self.folder, "old", ".conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"{self.path} {{\n su root root\n rotate {KEEP}\n missingok\n {STYLES[self.style]}\n}}\n")
        os.chmod(config, 0o644)
        done = subprocess.run([LOGROTATE, "-f", "-s", config + ".state", config], capture_output=True, text=True, check=False)
        # With dateext two rotations within a second have one name: the second is left out.
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise RuntimeError(f"logrotate of {self.path}: {done.stderr.strip()}")

    def logrotate_alike(self):
        """What the styles do, where there is no logrotate."""
        folder = os.path.join(self.folder, "old") if self.style == "olddir" else self.folder
        base = os.path.join(folder, "a.log")
        if self.style in ("copytruncate", "copycompress"):
            shutil.copyfile(self.path, f"{base}.{self.rotations}")
            os.truncate(self.path, 0)
            if self.style == "copycompress":
                pack(f"{base}.{self.rotations}")
            return
        target = f"{base}.{self.rotations}"
        if self.style == "delaycompress" and os.path.exists(f"{base}.{self.rotations - 1}"):
            pack(f"{base}.{self.rotations - 1}")
        os.rename(self.path, target)
        if self.style != "nocreate":
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644))
        if self.style == "compress":
            pack(target)

    def delete(self):
        os.unlink(self.path)

    def symlink(self):
        name = f"data.{self.rotations}"
        os.close(os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_CREAT, 0o644))
        os.symlink(name, self.path + ".new")
        os.rename(self.path + ".new", self.path)

    def replace(self):
        """An editor's save: a copy with a line more takes the name."""
        shutil.copyfile(self.path, self.path + ".tmp")
        os.rename(self.path + ".tmp", self.path)

    def close(self):
        os.close(self.fd)


def pack(path):
    with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.unlink(path)
