"""The packet filter of a simulated machine: which ports an nftables table leaves open."""

from __future__ import annotations

import re

_ACCEPTED = re.compile(r"^\s*tcp dport \{ ([0-9, ]+) \} accept$", re.MULTILINE)


def open_ports(table: str) -> set[int]:
    """Return the TCP ports that a table accepts new connections to."""
    return {int(port) for ports in _ACCEPTED.findall(table) for port in ports.split(",")}


def has_syntax_error(table: str) -> bool:
    """Whether nft would refuse a file, which must hold a table and close every brace."""
    rules = re.sub(r"#.*", "", table)
    return "table " not in rules or rules.count("{") != rules.count("}")
