#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small MaxMind databases for the tests.

usage: mmdb.py DIRECTORY        (writes the ones that the cases of stage.geoip use)

The format: a binary search tree over the bits of an address, 16 zero bytes, the records, and behind a marker the
metadata. Addresses are IPv4 in an IPv6 tree, as in MaxMind's own files.
"""
import ipaddress
import os
import struct
import sys


class Double(float):
    """Written as a double; an int is an unsigned one of 32 bits, or of 64 where it says so."""


class Uint64(int):
    pass


class Uint16(int):
    pass


def control(kind, size):
    first, rest = (kind << 5, b"") if kind < 8 else (0, bytes([kind - 7]))
    if size < 29:
        return bytes([first | size]) + rest
    if size < 285:
        return bytes([first | 29]) + rest + bytes([size - 29])
    return bytes([first | 30]) + rest + struct.pack(">H", size - 285)


def encode(value):
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, Double):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, Uint64):
        data = int(value).to_bytes(8, "big").lstrip(b"\0")
        return control(9, len(data)) + data
    if isinstance(value, Uint16):
        data = int(value).to_bytes(2, "big").lstrip(b"\0")
        return control(5, len(data)) + data
    if isinstance(value, int):
        data = value.to_bytes(4, "big").lstrip(b"\0")
        return control(6, len(data)) + data
    if isinstance(value, str):
        data = value.encode()
        return control(2, len(data)) + data
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(encode(v) for v in value)
    return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def tree_of(networks):
    """[left, right] nodes; a leaf is an index into the records, None is nothing."""
    root = [None, None]
    for index, network in enumerate(networks):
        net = ipaddress.ip_network(network)
        bits, length = int(net.network_address), net.prefixlen
        if net.version == 4:
            length += 96
        node = root
        for depth in range(length):
            bit = bits >> (127 - depth) & 1
            if depth == length - 1:
                node[bit] = index
            else:
                if not isinstance(node[bit], list):
                    node[bit] = [None, None]
                node = node[bit]
    return root


def database(kind, records):
    """records: network → map."""
    nodes, queue = [], [tree_of(records)]
    offsets, data = [], b""
    for record in records.values():
        offsets.append(len(data))
        data += encode(record)
    while queue:
        node = queue.pop(0)
        nodes.append(node)
        queue.extend(child for child in node if isinstance(child, list))
    number = {id(node): i for i, node in enumerate(nodes)}

    def pointer(child):
        if child is None:
            return len(nodes)
        return number[id(child)] if isinstance(child, list) else len(nodes) + 16 + offsets[child]

    tree = b"".join(struct.pack(">II", pointer(left), pointer(right)) for left, right in nodes)
    meta = {"binary_format_major_version": Uint16(2), "binary_format_minor_version": Uint16(0), "build_epoch": Uint64(1700000000),
            "database_type": kind, "description": {"en": "longship test"}, "ip_version": Uint16(6), "languages": ["en"],
            "node_count": len(nodes), "record_size": Uint16(32)}
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(meta)


def place(country, code, continent, continent_code):
    return {"country": {"iso_code": code, "names": {"en": country, "de": "?"}},
            "continent": {"code": continent_code, "names": {"en": continent}}}


def city(name, postal, latitude, longitude, zone, subdivisions, **rest):
    return {"city": {"names": {"en": name}}, "postal": {"code": postal},
            "location": {"latitude": Double(latitude), "longitude": Double(longitude), "time_zone": zone},
            "subdivisions": [{"iso_code": c, "names": {"en": n}} for c, n in subdivisions], **rest}


FILES = {
    "geoip_maxmind_asn.mmdb": ("GeoLite2-ASN", {
        "192.0.2.0/24": {"autonomous_system_number": 1337, "autonomous_system_organization": "Just a Test"},
        "2001:db8::/32": {"autonomous_system_number": 64496, "autonomous_system_organization": ""},
    }),
    "geoip_maxmind_country.mmdb": ("GeoLite2-Country", {
        "192.0.2.0/24": place("United States", "US", "North America", "NA"),
        "198.51.100.0/25": place("", "XX", "Oceania", "OC"),
    }),
    "geoip_maxmind_city.mmdb": ("GeoLite2-City", {
        "192.0.2.0/24": city("London", "OX1", 51.5142, -0.0931, "Europe/London", [("WBK", "Windsor"), ("ENG", "England")],
                             **place("United Kingdom", "GB", "Europe", "EU")),
        "198.51.100.0/25": city("", "", 0, 0, "", [], traits={"is_proxy": True, "score": Double(2.5), "n": 7}),
    }),
}


def write_all(directory):
    for name, (kind, records) in FILES.items():
        with open(os.path.join(directory, name), "wb") as f:
            f.write(database(kind, records))


if __name__ == "__main__":
    write_all(sys.argv[1])
