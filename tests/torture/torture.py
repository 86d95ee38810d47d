#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes and rotates files while longship is killed, stopped, reloaded, cut off and short of disk, and proves that every
line arrives once.

usage: torture.py [--seconds S] [--seed N]… [--random N] [--for S] [--calm-seed N]… [--calm N] [--styles A,B,…]
                  [--weights ACTION=W,…] [--loki] [--keep] LONGSHIP

A round is S seconds (20) of one seed: those given, N random ones, and random ones for S seconds. A calm round leaves longship
in peace and proves in addition that it read at most 1.05 times the bytes that were written, and 64 KiB a rotation. At the end of a round everything
is mended, and then: all lines are there, intact, once in log queries, in the order of their stream; the ledger added up at
every scrape; a restart reads nothing again. With --loki what is stored is in a real Loki (tests/loki), behind a fake one
that has the faults. --keep leaves the directory of a round that failed.

An action's choices come from the seed and the action's number alone; when it falls is up to the machine.
Ends with "N passed, N failed".
"""
import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import oracle  # noqa: E402
from files import DEFAULT_STYLES, LogFile  # noqa: E402
from world import TENANT, Broken, Disk, Loki, RealLoki, Ship, wait_for  # noqa: E402

# While nothing arrives.
PATIENCE_S = 180 if os.environ.get("LONGSHIP_SAN") else 40
READ_RATIO_MAX = 1.05
# What it costs to recognise a generation: thousands of them in a minute would hide in no ratio.
READ_PER_ROTATION = 64 << 10
CUTS = [
    {"reset": True}, {"reset": True, "store": True}, {"reset": "reading"}, {"refuse": 503}, {"refuse": 500, "store": True},
    {"refuse": 429}, {"hang": 3}, {"hang": 3, "store": True}, {"garbage": True, "store": True}, {"garbage": "short", "store": True},
    {"delay_ms": 400},
]
# Action: weight while longship runs, while it does not.
ACTIONS = {
    "write": (60, 60), "burst": (3, 3), "rotate": (20, 12), "pause": (8, 4), "kill": (1.5, 0), "stop": (1, 0), "start": (0, 12),
    "reload": (1.5, 0), "cut": (1.5, 0), "mend": (4, 2), "fill": (0.5, 0), "free": (3, 0),
}
CALM = {"write", "burst", "rotate", "pause"}


class Round:
    def __init__(self, options, seed, calm):
        self.options, self.seed, self.calm = options, seed, calm
        self.work = tempfile.mkdtemp(prefix="longship-torture-")
        self.run = f"s{seed}"
        self.actions = []
        self.done = collections.Counter()
        rng = random.Random(f"{seed} files")
        styles = options.styles or rng.sample(DEFAULT_STYLES, 6)
        self.files = [LogFile(os.path.join(self.work, "logs"), self.run, style, number, rng.choice((70, 150, 150, 400, 3000)))
                      for number, style in enumerate(styles)]
        self.owed = set()       # files whose old generation only this life of longship can read
        self.loki, self.disk = RealLoki(os.path.join(self.work, "loki")) if options.loki else Loki(), Disk(os.path.join(self.work, "disk"))
        self.full = False
        self.config = os.path.join(self.work, "ship.alloy")
        self.configure(rng)
        self.ship = Ship(options.longship, self.work, os.path.join(self.disk.path, "store"), self.config)

    def configure(self, rng):
        """Another configuration that keeps every line and its labels."""
        targets = ",\n".join('\t\t{"__path__" = "%s", "job" = "torture", "s" = "%s"}' % (f.path, f.stream) for f in self.files)
        stage = rng.random() < 0.5
        text = f"""
loki.source.file "f" {{
	targets    = [
{targets},
	]
	flush_partial_after = "30s"
	rotated_wait        = "30s"
	forward_to = [{"loki.process.p" if stage else "loki.write.w"}.receiver]
}}
loki.process "p" {{
	forward_to = [loki.write.w.receiver]
}}
loki.write "w" {{
	endpoint {{
		url                = "{self.loki.url}/loki/api/v1/push"
		tenant_id          = "{TENANT}"
		batch_wait         = "{rng.choice((20, 100, 400))}ms"
		batch_size         = "{rng.choice((16, 200, 1024))}KiB"
		remote_timeout     = "2s"
		min_backoff_period = "50ms"
		max_backoff_period = "300ms"
	}}
}}
"""
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    # ---- what happens

    def act(self, number):
        rng = random.Random(f"{self.seed} {number}")
        up = self.ship.up()
        names = [n for n in ACTIONS if not self.calm or n in CALM]
        name = rng.choices(names, [self.options.weights.get(n, ACTIONS[n])[0 if up else 1] for n in names])[0]
        file = rng.choice(self.files)
        self.ship.alive()
        said = getattr(self, name)(rng, file)
        if said is not None:
            self.done[name] += 1
            self.actions.append(f"{time.time():.3f} {number} {name} {said}")

    def write(self, rng, file):
        if file.stale and rng.random() < 0.4:
            file.reopen()
        count = rng.choice((1, 1, 2, 5, 20, 100))
        if self.calm:
            count *= 20     # a look reads some bytes to recognise the file; what is counted is what is read twice
        file.write(count, rng.random() < 0.15)
        return f"{file.stream} to {file.written}"

    def burst(self, rng, file):
        file.write(rng.choice((500, 2000, 5000)), False)
        return f"{file.stream} to {file.written}"

    def pause(self, rng, _):
        time.sleep(rng.choice((0.01, 0.05, 0.2)))

    def rotate(self, rng, file):
        needs, late = file.needs(), rng.random() < 0.4
        if file.stale and rng.random() < 0.9:
            file.reopen()
        if needs == "arrived" and (not self.ship.up() or not self.arrives([file])):
            return None
        if needs == "begun" and self.ship.up() and not self.has_begun(file):
            return None
        if needs == "up":
            if not self.ship.up():
                return None
            self.owed.add(file)
            self.seen(file)
        file.rotate(late)
        if needs == "arrived":
            file.write(1, False)
            self.arrives([file])
        return f"{file.stream} at {file.written}{' late' if file.stale else ''}"

    def has_begun(self, file):
        """Waits until a line of the file as it is now has arrived: longship knows it."""
        if self.full or not self.ship.up() or file.written == file.begins_at:
            return False
        if file.written == file.begins_at + 1:
            file.complete()
        self.loki.mend()
        wait_for(PATIENCE_S, f"a line of {file.stream} arrives", lambda: self.ship.alive() or file.begins_at in
                 self.loki.arrived.get(file.stream, ()))
        return True

    def seen(self, file):
        """A generation that was never opened cannot be read on; longship looks within milliseconds."""
        wait_for(PATIENCE_S, f"{file.path} is followed",
                 lambda: not os.path.exists(file.path) or self.ship_holds(file.path))

    def ship_holds(self, path):
        wanted, folder = os.stat(path), f"/proc/{self.ship.process.pid}/fd"
        for name in os.listdir(folder):
            try:
                st = os.stat(os.path.join(folder, name))
            except OSError:
                continue
            if (st.st_dev, st.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
        return False

    def arrives(self, files):
        """Waits until all that was written has arrived."""
        if self.full or not self.ship.up():
            return False
        self.loki.mend()
        for file in files:
            file.complete()
        try:
            wait_for(PATIENCE_S, "all lines arrive", lambda: self.ship.alive() or all(self.loki.has(f) for f in files), self.loki.how_many)
        except Broken as broken:
            raise Broken(f"{broken}: " + "; ".join(self.missing(f) for f in files if not self.loki.has(f))) from None
        return True

    def missing(self, file):
        gone = sorted(set(range(file.written)) - self.loki.arrived.get(file.stream, set()))
        return f"{file.stream} lacks {len(gone)} of {file.written} lines, {gone[0]}..{gone[-1]}"

    def may_end(self):
        """Whether longship may end now; it first gets what is owed to it."""
        if self.full:
            return False        # what a full disk keeps from being saved may come twice after it
        for file in self.owed:
            if file.stale:
                file.reopen()
        if self.owed:
            self.arrives(self.owed)
            self.owed.clear()
        return True

    def kill(self, _rng, _file):
        if not self.may_end():
            return None
        self.ship.kill()
        return ""

    def stop(self, _rng, _file):
        if not self.may_end():
            return None
        self.ship.stop()
        return ""

    def start(self, rng, _):
        self.configure(rng)
        self.ship.start()
        return ""

    def reload(self, rng, _):
        self.configure(rng)
        self.ship.reload()
        return ""

    def cut(self, rng, _):
        fault = {**rng.choice(CUTS), "times": rng.choice((1, 3, -1))}
        self.loki.cut([fault])
        return str(fault)

    def mend(self, _rng, _file):
        self.loki.mend()
        return ""

    def fill(self, _rng, _file):
        if not self.disk.own or self.full:
            return None
        self.disk.fill()
        self.full = True
        return ""

    def free(self, _rng, _file):
        if not self.full:
            return None
        self.disk.free()
        self.full = False
        self.saved()
        return ""

    def saved(self):
        """Everything that longship knows is in its store again."""
        before = self.ship.metric("longship_positions_write_errors_total"), self.ship.metric("longship_positions_writes_total")
        for file in self.files:
            file.write(1, False)
        self.arrives(self.files)
        wait_for(PATIENCE_S, "positions are saved again", lambda: self.ship.metric("longship_positions_writes_total") > before[1]
                 and self.ship.metric("longship_source_lag_bytes") == 0)

    # ---- what is proven

    def play(self):
        self.ship.start()
        # A file that was renamed before its first generation was in the store is an old one to the next start.
        wait_for(PATIENCE_S, "the store knows all files", lambda: self.ship.metric("longship_positions_streams") >= len(self.files))
        end, number = time.monotonic() + self.options.seconds, 0
        while time.monotonic() < end:
            self.act(number)
            number += 1
        if self.full:
            self.free(None, None)
        if not self.ship.up():
            self.ship.start()
        for file in self.files:
            if file.stale:
                file.reopen()
            file.complete()
        self.arrives(self.files)
        wait_for(PATIENCE_S, "all lines are settled", lambda: self.ship.metric("longship_entries_in_flight") == 0
                 and self.ship.metric("longship_source_lag_bytes") == 0)
        self.check_bytes()
        self.ship.stop()
        self.check_again()
        if self.ship.problems:
            raise Broken("the ledger: " + "; ".join(self.ship.problems[:5]))
        self.check_lines()

    def check_bytes(self):
        read, written, rotations = self.ship.bytes_read(), sum(f.bytes for f in self.files), sum(f.rotations for f in self.files)
        self.ratio = read / max(1, written)
        if self.calm and read > READ_RATIO_MAX * written + READ_PER_ROTATION * rotations:
            raise Broken(f"{self.ratio:.3f} bytes were read for each byte written, not {READ_RATIO_MAX} and {READ_PER_ROTATION} a rotation: "
                         f"{read} for {written} and {rotations} rotations")

    def check_again(self):
        self.ship.start()
        wait_for(PATIENCE_S, "nothing lags", lambda: self.ship.metric("longship_source_lag_bytes") == 0)
        again = self.ship.metric("longship_entries_read_total")
        self.ship.stop()
        if again != 0:
            raise Broken(f"a restart read {again:.0f} lines again")

    def check_lines(self):
        now = time.time_ns()
        proof = oracle.Proof(self.run, {f.stream: f.written for f in self.files})
        for entry in self.loki.reader().entries(now - 86400 * 10**9, now + 3600 * 10**9):
            proof.add(*entry)
        if not proof.finish():
            raise Broken(proof.report())
        self.counted = self.loki.counted()

    def summary(self):
        lines = sum(f.written for f in self.files)
        did = " ".join(f"{name} {n}" for name, n in sorted(self.done.items()))
        rotations = " ".join(f"{f.stream} {f.rotations}" for f in self.files)
        return (f"lines {lines}, bytes {sum(f.bytes for f in self.files)}, read {self.ratio:.3f} times, scrapes {self.ship.scrapes}, "
                f"sent again {self.ship.resent}, copies stored {self.counted - lines}\n    {did}\n    rotations: {rotations}")

    def close(self, failed):
        self.ship.close()
        self.loki.close()
        for file in self.files:
            file.close()
        if failed and self.options.keep:
            subprocess.run(["cp", "-a", self.disk.path, os.path.join(self.work, "disk-kept")], check=False)
            with open(os.path.join(self.work, "actions"), "w", encoding="utf-8") as f:
                f.write("\n".join(self.actions) + "\n")
        self.disk.close()
        if failed and self.options.keep:
            print(f"    kept: {self.work}")
        else:
            shutil.rmtree(self.work)


def play(options, seed, calm):
    wrong = None
    name = f"{'calm ' if calm else ''}seed {seed}"
    one = Round(options, seed, calm)
    try:
        one.play()
    except Broken as broken:
        wrong = broken
    finally:
        one.close(wrong is not None)
    if wrong is None:
        print(f"  ok: {name}: {one.summary()}", flush=True)
        return True
    print(f"  FAIL: {name}: {wrong}")
    print("    " + "\n    ".join(one.actions[-12:] + one.ship.last_words()))
    styles = f" --styles={','.join(options.styles)}" if options.styles else ""
    if options.weights:
        styles += " --weights=" + ",".join(f"{name}={max(pair):g}" for name, pair in options.weights.items())
    print(f"    again: tests/torture/torture.py --keep{styles} --seconds={options.seconds:.0f} --{'calm-' if calm else ''}seed={seed} "
          f"{options.longship}", flush=True)
    return False


def weights_of(text):
    """kill=20,start=90: other weights than those of ACTIONS, where an action has one."""
    given = dict(part.split("=") for part in text.split(","))
    return {name: tuple(float(weight) if old > 0 else 0 for old in ACTIONS[name]) for name, weight in given.items()}


def rounds(options):
    """(seed, calm)"""
    dice = random.SystemRandom()
    yield from ((seed, False) for seed in options.seed)
    yield from ((seed, True) for seed in options.calm_seed)
    yield from ((dice.randrange(10**6), False) for _ in range(options.random))
    yield from ((dice.randrange(10**6), True) for _ in range(options.calm))
    end = time.monotonic() + options.duration
    while time.monotonic() < end:
        yield dice.randrange(10**6), dice.random() < 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("longship", type=os.path.abspath)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--for", type=float, default=0, dest="duration")
    parser.add_argument("--seed", type=int, action="append", default=[])
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--styles", type=lambda text: text.split(","))
    parser.add_argument("--weights", type=weights_of, default={})
    parser.add_argument("--calm-seed", type=int, action="append", default=[])
    parser.add_argument("--calm", type=int, default=0)
    parser.add_argument("--loki", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what is mounted and running is taken down
    results = collections.Counter(play(options, seed, calm) for seed, calm in rounds(options))
    print(f"{results[True]} passed, {results[False]} failed")
    return 1 if results[False] or not results else 0


if __name__ == "__main__":
    sys.exit(main())
