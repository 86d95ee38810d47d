#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_floors.py [ROOT]: prove that the tree keeps to its floors.

  - a file includes only headers of lower floors and of its own folder;
  - a component never includes another component's header, nor a stage another stage's (the folder's catalog is common);
  - a library's header is included by one .c file only, and by no header;
  - headers do not include each other in a circle;
  - a .c file includes its own header, or a private one of its folder, first.

Exit status 1 when one of them is broken.
"""

import os
import re
import sys

FLOOR = {"base": 0, "os": 1, "codec": 1, "positions": 2, "lang": 3, "flow": 4, "stage": 5, "component": 6, "app": 7}
# What a floor may use where "everything below" is too much.
ONLY = {"os": {"base"}, "codec": {"base"}, "positions": {"base"}}
# On these floors each file, or folder, is a world of its own.
ISLANDS = {"stage", "component"}
COMMON = {"catalog"}

LIBRARIES = re.compile(r"^(systemd/|curl/|gnutls/|nettle/|snappy-c\.h|pcre2\.h|microhttpd\.h|yaml\.h|jansson\.h|"
                       r"xxhash\.h|zlib\.h|zstd\.h|zstd_errors\.h|bzlib\.h|maxminddb\.h|cmocka\.h)")
LIBC = set("""assert.h ctype.h dirent.h dlfcn.h endian.h errno.h fcntl.h float.h fnmatch.h getopt.h glob.h grp.h
    inttypes.h limits.h locale.h malloc.h math.h netdb.h poll.h pthread.h pwd.h sched.h setjmp.h signal.h stdalign.h
    stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h spawn.h stdlib.h string.h strings.h syslog.h elf.h link.h termios.h threads.h
    time.h unistd.h wchar.h wctype.h ucontext.h emmintrin.h iconv.h""".split())
LIBC_DIRS = ("sys/", "netinet/", "arpa/", "net/", "linux/", "sanitizer/", "valgrind/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(root):
    for top in ("src", "include/longship", "positions"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def floor_of(path):
    parts = path.split("/")
    if parts[0] == "positions":
        return "positions"
    return parts[2] if parts[0] == "include" else parts[1]


def island_of(path):
    """The stage or component that a file belongs to: its folder, or its name."""
    parts = path.split("/")
    at = 3 if parts[0] == "include" else 2
    if len(parts) > at + 1:
        return parts[at]
    return re.sub(r"_priv$", "", parts[at].rsplit(".", 1)[0])


def same_island(path, header):
    owner, user = island_of(header), island_of(path)
    return owner in COMMON or user == owner or user.startswith(owner + "_")


def resolve(root, path, quote, name):
    """The file of the tree that an include names, or None."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    for found in ([beside] if quote == '"' else []) + ["include/" + name]:
        if os.path.exists(os.path.join(root, found)):
            return found
    return None


def may_include(path, header):
    mine, theirs = floor_of(path), floor_of(header)
    if mine == theirs:
        if mine in ISLANDS and not same_island(path, header):
            return f"{island_of(path)} includes a header of {island_of(header)}: no {mine} knows another one"
        return None
    if mine in ONLY and theirs not in ONLY[mine]:
        return f"{mine} may use {', '.join(sorted(ONLY[mine]))} only, not {theirs}"
    if FLOOR[theirs] >= FLOOR[mine]:
        return f"{mine} is floor {FLOOR[mine]} and may not use {theirs}, floor {FLOOR[theirs]}"
    return None


def cycles(graph):
    state, found = {}, []

    def visit(node, trail):
        state[node] = 1
        for other in graph.get(node, ()):
            if state.get(other) == 1:
                found.append(trail[trail.index(other):] + [other] if other in trail else [node, other])
            elif other not in state:
                visit(other, trail + [other])
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node, [node])
    return found


def check(root):
    problems, library_users, graph, count = [], {}, {}, 0
    for path in sources(root):
        count += 1
        if floor_of(path) not in FLOOR:
            problems.append(f"{path}: {floor_of(path)} is no floor")
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", "", m.group()), file.read(), flags=re.S)
        includes = [(m.group(1), m.group(2), text.count("\n", 0, m.start(1)) + 1) for m in INCLUDE.finditer(text)]
        headers = []
        for quote, name, line in includes:
            header = resolve(root, path, quote, name)
            where = f"{path}:{line}"
            if header is not None:
                headers.append(header)
                reason = may_include(path, header)
                if reason:
                    problems.append(f"{where}: {name}: {reason}")
            elif LIBRARIES.match(name):
                library_users.setdefault(name, []).append(where)
                if path.endswith(".h"):
                    problems.append(f"{where}: {name}: a library's header is included by a .c file only")
            elif name not in LIBC and not name.startswith(LIBC_DIRS):
                problems.append(f"{where}: {name}: neither of this tree nor a header known to tests/support/check_floors.py")
        if path.endswith(".h"):
            graph[path] = headers
        else:
            own = "include/longship/" + re.sub(r"^src/", "", path)[:-2] + ".h"
            first = resolve(root, path, *includes[0][:2]) if includes else None
            if os.path.exists(os.path.join(root, own)) and first != own and not (first or "").endswith("_priv.h"):
                problems.append(f"{path}: its own header is not its first include")
    for name, users in sorted(library_users.items()):
        if len({user.split(":")[0] for user in users}) > 1:
            problems.append(f"{name}: included by more than one file: {', '.join(users)}")
    problems += ["headers in a circle: " + " -> ".join(cycle) for cycle in cycles(graph)]
    return count, problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    count, problems = check(root)
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
