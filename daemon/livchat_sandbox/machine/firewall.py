"""The packet filter of a simulated machine: which ports a table leaves open to the world."""

from __future__ import annotations

import re

_ACCEPTED = re.compile(r"^\s*tcp dport \{ ([0-9, ]+) \} accept$", re.MULTILINE)


def open_ports(table: str) -> set[int]:
    """The TCP ports that a table accepts new connections to."""
    return {int(port) for found in _ACCEPTED.findall(table) for port in found.split(",")}


def wrong(table: str) -> bool:
    """Whether nft would refuse a file: it knows tables, and every brace is closed."""
    plain = re.sub(r"#.*", "", table)
    return "table " not in plain or plain.count("{") != plain.count("}")
