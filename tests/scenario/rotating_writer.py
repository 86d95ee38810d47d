# SPDX-License-Identifier: Apache-2.0
"""rotating_writer.py PATH RUN STREAM COUNT TOLD [every=SECONDS] [pause=SECONDS] [command=SHELL]

Writes COUNT lines for the oracle and rotates the file itself between two lines, so that no line is ever written to a file that nobody can
see any more: by rename to PATH.1000, PATH.999, ..., or by a command that has to leave PATH renamed or emptied. TOLD is replaced with the
number of rotations after each."""
import os
import subprocess
import sys
import time
import zlib

path, run, stream, count, told = sys.argv[1:4] + [int(sys.argv[4]), sys.argv[5]]
options = dict(a.split("=", 1) for a in sys.argv[6:])
every, pause = float(options.get("every", 0.15)), float(options.get("pause", 0.01))
command = options.get("command")
file, at, rotations = open(path, "a"), time.monotonic(), 0
for seq in range(count):
    head = f"run={run} stream={stream} seq={seq:09d} pad={'x' * 80}"
    file.write(f"{head} crc={zlib.crc32(head.encode()):08x}\n")
    if seq % 100 != 99:
        continue
    file.flush()
    time.sleep(pause)
    if time.monotonic() - at < every:
        continue
    if command:
        subprocess.run(command, shell=True, check=True)
    else:
        os.rename(path, f"{path}.{1000 - rotations}")
    file.close()
    file, at, rotations = open(path, "a"), time.monotonic(), rotations + 1
    with open(told + ".new", "w") as t:
        t.write(f"{rotations}\n")
    os.rename(told + ".new", told)
file.close()
