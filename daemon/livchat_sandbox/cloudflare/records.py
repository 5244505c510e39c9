"""Cloudflare's rules for a record: what it may hold, and what may stand beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from livchat_sandbox.cloudflare.http import Refused, bad_record
from livchat_sandbox.storage.state import Record, Zone

Data = dict[str, Any]

TYPES = frozenset(
    [
        *("A", "AAAA", "CAA", "CERT", "CNAME", "DNSKEY", "DS", "HTTPS", "LOC", "MX", "NAPTR"),
        *("NS", "PTR", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI"),
    ]
)
# What Cloudflare can stand in front of.
PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
COMMENT_MOST = 100

_HOST = re.compile(r"(?!.{254})(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{2,63}")


def facts(data: Data, zone: Zone) -> Data:
    """A record's fields from a body, complete and allowed; `Refused` if they cannot be."""
    kind = data.get("type")
    if kind not in TYPES:
        raise bad_record(9004, f"Invalid DNS record type {kind!r}.")
    proxied = bool(data.get("proxied", False))
    if proxied and kind not in PROXIABLE:
        raise bad_record(9003, "Invalid 'proxied' value, must be a boolean")
    return {
        "name": _name(data.get("name"), zone),
        "type": kind,
        "content": _content(kind, data),
        "ttl": _ttl(data.get("ttl", 1), proxied=proxied),
        "proxied": proxied,
        "comment": _comment(data.get("comment")),
        "tags": list(data.get("tags") or []),
        "priority": data.get("priority"),
        "data": data.get("data"),
    }


def check_beside(facts: Data, others: Iterable[Record]) -> None:
    """Refuse a record that cannot stand beside the zone's others."""
    for other in others:
        if other.name != facts["name"]:
            continue
        if other.type == facts["type"] and other.content == facts["content"]:
            raise Refused(400, 81058, "An identical record already exists.")
        kinds = {other.type, facts["type"]}
        if "CNAME" in kinds and kinds <= PROXIABLE:
            message = "An A, AAAA, or CNAME record with that host already exists."
            raise Refused(400, 81053, message)


def _name(given: object, zone: Zone) -> str:
    if not isinstance(given, str) or not given:
        raise bad_record(9000, "DNS name is invalid.")
    name = given.rstrip(".").lower()
    if name == "@":
        name = zone.name
    # A name outside the zone is taken as one below it, as there.
    if name != zone.name and not name.endswith(f".{zone.name}"):
        name = f"{name}.{zone.name}"
    if not _HOST.fullmatch(name):
        raise bad_record(9000, "DNS name is invalid.")
    return name


def _content(kind: str, data: Data) -> str:
    content = data.get("content")
    if content is None and isinstance(data.get("data"), dict):
        content = " ".join(str(value) for value in data["data"].values())
    if not isinstance(content, str) or not content:
        raise bad_record(9001, f"Content for {kind} record is missing.")
    try:
        if kind == "A":
            return str(IPv4Address(content))
        if kind == "AAAA":
            return str(IPv6Address(content))
    except AddressValueError:
        if kind == "A":
            raise bad_record(9005, "Content for A record must be a valid IPv4 address.") from None
        raise bad_record(9006, "Content for AAAA record must be a valid IPv6 address.") from None
    if kind == "CNAME" and not _HOST.fullmatch(content.rstrip(".").lower()):
        raise bad_record(9007, "Content for CNAME record is invalid.")
    return content.rstrip(".") if kind == "CNAME" else content


def _ttl(given: object, *, proxied: bool) -> int:
    if not isinstance(given, (int, float)) or not (given == 1 or 60 <= given <= 86400):
        why = "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."
        raise bad_record(9021, why)
    return 1 if proxied else int(given)


def _comment(given: object) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > COMMENT_MOST:
        raise bad_record(9208, f"Comment may have at most {COMMENT_MOST} characters.")
    return given
