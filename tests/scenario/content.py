#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""content.py: files in many encodings, compressed and not, with odd contents, and the lines that must come of them.

    config DIR           the sources of a configuration that reads them, into loki.write.w
    write DIR 1|2        the first part of each file; appends the second
    check LOKI TENANT    all lines are there, once, in order (exit status 1 and the differences otherwise)
    total                how many lines that is
"""
import bz2
import gzip
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
import zlib

TEXT = ["Hello, 世界", "zweite Zeile: grün", "", "with a tail\t", "emoji 😀"]
MORE = ["another day", "漢字 and ASCII"]
LATIN = ["grün", "Käse für 3", "plain"]


def join(lines, newline="\n"):
    return "".join(line + newline for line in lines)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def plain(text, more, codec, bom=b"", newline="\n"):
    return bom + join(text, newline).encode(codec), join(more, newline).encode(codec)


def packed(pack, cut=None):
    """Two members; cut: the first part ends so many bytes before the end of the first."""
    first, second = pack(join(TEXT).encode()), pack(join(MORE).encode())
    return (first, second) if cut is None else (first[:-cut], first[-cut:] + second)


# Source: (arguments, {file: (first part, second part, lines)})
SOURCES = {
    "utf8": ("", {
        "plain": (*plain(TEXT, MORE, "utf-8"), TEXT + MORE),
        "crlf": (*plain(TEXT, MORE, "utf-8", newline="\r\n"), TEXT + MORE),
        "bom": (*plain(TEXT, MORE, "utf-8", b"\xef\xbb\xbf"), TEXT + MORE),
        "utf16le-bom": (*plain(TEXT, MORE, "utf-16-le", b"\xff\xfe", "\r\n"), TEXT + MORE),
        "utf16be-bom": (*plain(TEXT, MORE, "utf-16-be", b"\xfe\xff"), TEXT + MORE),
        "utf32le-bom": (*plain(TEXT, MORE, "utf-32-le", b"\xff\xfe\0\0"), TEXT + MORE),
        "in-the-middle": (b"one\ntw", b"o\nthree\n", ["one", "two", "three"]),
        "utf16-in-the-middle": (b"\xff\xfe" + "one\ntw".encode("utf-16-le") + b"o", b"\0" + "\nthree\n".encode("utf-16-le"),
                                ["one", "two", "three"]),
        # Sent as it is; what Loki answers is JSON.
        "bad": (b"a\xffb\n", b"\x80\n", ["a\ufffdb", "\ufffd"]),
        # What a power cut leaves: NULs in front of a line, and a file that was only made longer.
        "nuls": (b"one\n" + b"\0" * 5000 + b"two\n", b"\0" * 300000 + b"three\n", ["one", "two", "three"]),
        "hole": (b"one\n", ("hole", 3 << 30, b"two\nthree\n"), ["one", "two", "three"]),
        "long": (b"a" * 300000 + b"\nshort\n", b"b" * 600000 + b"\n",
                 ["a" * 262144, "a" * 37856, "short", "b" * 262144, "b" * 262144, "b" * 75712]),
        # A character is not cut in two.
        "long-runes": (("é" * 140000).encode() + b"\n", b"x" + ("世" * 100000).encode() + b"\n",
                       ["é" * 131072, "é" * 8928, "x" + "世" * 87381, "世" * 12619]),
    }),
    "utf16": ('encoding = "UTF-16"', {
        "guess-le": (*plain(TEXT, MORE, "utf-16-le"), TEXT + MORE),
        "guess-be": (*plain(TEXT, MORE, "utf-16-be", newline="\r\n"), TEXT + MORE),
        "utf8-bom": (*plain(TEXT, MORE, "utf-8", b"\xef\xbb\xbf"), TEXT + MORE),
        "long": (*plain(["世" * 200000], ["b"], "utf-16-le", b"\xff\xfe"), ["世" * 87381, "世" * 43690, "世" * 68929, "b"]),
    }),
    "latin1": ('encoding = "ISO-8859-1"', {"latin1": (*plain(LATIN, ["ß"], "latin-1", newline="\r\n"), LATIN + ["ß"])}),
    "gbk": ('encoding = "gb18030"', {"gb": (*plain(TEXT, MORE, "gb18030"), TEXT + MORE)}),
    "sjis": ('encoding = "shift_jis"', {"sjis": (*plain(["世界", "ソ表"], ["漢字"], "shift_jis"), ["世界", "ソ表", "漢字"])}),
    "replace": ('invalid_utf8 = "replace"', {"bad": (b"a\xffb\xc3\n\xe4\xb8\x96\n", b"\x80\n", ["a�b�", "世", "�"])}),
    "escape": ('invalid_utf8 = "escape"', {"bad": (b"a\xffb\xc3\n\xe4\xb8\x96\n", b"\x80\n", ["a\\xffb\\xc3", "世", "\\x80"])}),
    "truncate": ('long_lines {\n\t\taction = "truncate"\n\t\tlimit = "1KiB"\n\t\tmark = "[cut]"\n\t}', {
        "long": (b"a" * 2000 + b"\nshort\n", b"b" * 900000 + b"\nend\n",
                 ["a" * 1019 + "[cut]", "short", "b" * 1019 + "[cut]", "end"])}),
    "split": ('long_lines {\n\t\tlimit = "1KiB"\n\t}', {
        "long": (b"a" * 1500 + b"\nshort\n", b"b" * 300000 + b"\n",
                 ["a" * 1024, "a" * 476, "short"] + ["b" * 1024] * 292 + ["b" * 992])}),
    "gz": ('decompression {\n\t\tenabled = true\n\t\tformat = "gz"\n\t}', {
        "gz": (*packed(lambda d: gzip.compress(d, mtime=0)), TEXT + MORE),
        "gz-growing": (*packed(lambda d: gzip.compress(d, mtime=0), 15), TEXT + MORE),
        "gz-utf16": (gzip.compress(b"\xff\xfe" + join(TEXT).encode("utf-16-le")), b"", TEXT),
        "gz-no-newline": (gzip.compress(b"one\ntwo"), b"", ["one", "two"]),
        "gz-large": (gzip.compress(join(f"line {i}" for i in range(20000)).encode()), b"", [f"line {i}" for i in range(20000)]),
        "gz-damaged": (gzip.compress(b"one\ntwo\n") + b"no gzip", b"", ["one", "two"]),
    }),
    "z": ('decompression {\n\t\tenabled = true\n\t\tformat = "z"\n\t}', {"z": (zlib.compress(join(TEXT).encode()), b"", TEXT)}),
    "bz2": ('decompression {\n\t\tenabled = true\n\t\tformat = "bz2"\n\t}', {
        "bz2": (*packed(bz2.compress), TEXT + MORE), "bz2-growing": (*packed(bz2.compress, 10), TEXT + MORE)}),
    "zst": ('decompression {\n\t\tenabled = true\n\t\tformat = "zst"\n\t}', {
        "zst": (*packed(zstd), TEXT + MORE), "zst-growing": (*packed(zstd, 8), TEXT + MORE)}),
    "off": ('decompression {\n\t\tenabled = false\n\t\tformat = "gz"\n\t}', {"plain": (*plain(TEXT, MORE, "utf-8"), TEXT + MORE)}),
}


def files():
    for source, (_, contents) in SOURCES.items():
        for name, (first, second, lines) in contents.items():
            yield source, f"{source}-{name}", first, second, lines


def config(folder):
    for source, (arguments, contents) in SOURCES.items():
        targets = "".join(f'{{"__path__" = "{folder}/{source}-{name}", "job" = "content", "file" = "{source}-{name}"}}, ' for name in contents)
        print(f'loki.source.file "{source}" {{\n\ttargets = [{targets[:-2]}]\n\tforward_to = [loki.write.w.receiver]\n\t{arguments}\n}}')


def write(folder, part):
    for _, name, first, second, _ in files():
        with open(os.path.join(folder, name), "wb" if part == 1 else "ab") as file:
            data = first if part == 1 else second
            if isinstance(data, tuple):
                file.truncate(data[1])
                file.seek(0, os.SEEK_END)
                data = data[2]
            file.write(data)


def stored(loki, tenant, name):
    query = urllib.parse.urlencode({"query": f'{{file="{name}"}}', "limit": 5000, "direction": "forward"})
    lines, start = [], 0
    while True:
        request = urllib.request.Request(f"{loki}/loki/api/v1/query_range?{query}&start={start}&end=4102444800000000000",
                                         headers={"X-Scope-OrgID": tenant})
        page = []
        for stream in json.load(urllib.request.urlopen(request, timeout=60))["data"]["result"]:
            page += [(int(value[0]), value[1]) for value in stream["values"]]
        page.sort()
        lines += page
        if len(page) < 5000:
            return [line for _, line in lines]
        start = page[-1][0] + 1


def short(text):
    return repr(text) if len(text) < 80 else f"{text[:20]!r}… of {len(text)}"


def check(loki, tenant):
    wrong = 0
    for _, name, _, _, lines in files():
        got = stored(loki, tenant, name)
        if got != lines:
            wrong += 1
            at = next((i for i, (a, b) in enumerate(zip(got, lines)) if a != b), min(len(got), len(lines)))
            print(f"{name}: {len(got)} lines, wanted {len(lines)}; line {at} is", short(got[at]) if at < len(got) else "missing",
                  "wanted", short(lines[at]) if at < len(lines) else "nothing")
    print(f"{sum(1 for _ in files())} files, {wrong} wrong")
    return 1 if wrong else 0


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "config":
        config(arguments[0])
    elif command == "write":
        write(arguments[0], int(arguments[1]))
    elif command == "total":
        print(sum(len(lines) for *_, lines in files()))
    else:
        return check(*arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
