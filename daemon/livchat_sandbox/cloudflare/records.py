"""Cloudflare's rules for a DNS record: what it may hold, and which records exclude each other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from livchat_sandbox.cloudflare.http import ApiError, Json, invalid_record
from livchat_sandbox.storage.state import DnsRecord, DnsZone

TYPES = frozenset(
    [
        *("A", "AAAA", "CAA", "CERT", "CNAME", "DNSKEY", "DS", "HTTPS", "LOC", "MX", "NAPTR"),
        *("NS", "PTR", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI"),
    ]
)
PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
"""Types for which Cloudflare can answer in place of the content."""
MAX_COMMENT_LENGTH = 100

_HOST = re.compile(r"(?!.{254})(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{2,63}")


def record_fields(data: Json, zone: DnsZone) -> Json:
    """Return all fields of a record from a body; raise an `ApiError` if one is not allowed."""
    record_type = data.get("type")
    if record_type not in TYPES:
        raise invalid_record(9004, f"Invalid DNS record type {record_type!r}.")
    proxied = bool(data.get("proxied", False))
    if proxied and record_type not in PROXIABLE:
        raise invalid_record(9003, "Invalid 'proxied' value, must be a boolean")
    return {
        "name": _name(data.get("name"), zone),
        "type": record_type,
        "content": _content(record_type, data),
        "ttl": _ttl(data.get("ttl", 1), proxied=proxied),
        "proxied": proxied,
        "comment": _comment(data.get("comment")),
        "tags": list(data.get("tags") or []),
        "priority": data.get("priority"),
        "data": data.get("data"),
    }


def check_coexistence(fields: Json, others: Iterable[DnsRecord]) -> None:
    """Raise an `ApiError` if a record may not exist beside the others of its zone."""
    for other in others:
        if other.name != fields["name"]:
            continue
        if other.type == fields["type"] and other.content == fields["content"]:
            raise ApiError(400, 81058, "An identical record already exists.")
        types = {other.type, fields["type"]}
        if "CNAME" in types and types <= PROXIABLE:
            message = "An A, AAAA, or CNAME record with that host already exists."
            raise ApiError(400, 81053, message)


def _name(value: object, zone: DnsZone) -> str:
    if not isinstance(value, str) or not value:
        raise invalid_record(9000, "DNS name is invalid.")
    name = value.rstrip(".").lower()
    if name == "@":
        name = zone.name
    # As at Cloudflare, a name outside the zone counts as one below it.
    if name != zone.name and not name.endswith(f".{zone.name}"):
        name = f"{name}.{zone.name}"
    if not _HOST.fullmatch(name):
        raise invalid_record(9000, "DNS name is invalid.")
    return name


def _content(record_type: str, data: Json) -> str:
    content = data.get("content")
    if content is None and isinstance(data.get("data"), dict):
        content = " ".join(str(value) for value in data["data"].values())
    if not isinstance(content, str) or not content:
        raise invalid_record(9001, f"Content for {record_type} record is missing.")
    try:
        if record_type == "A":
            return str(IPv4Address(content))
        if record_type == "AAAA":
            return str(IPv6Address(content))
    except AddressValueError:
        if record_type == "A":
            raise invalid_record(
                9005, "Content for A record must be a valid IPv4 address."
            ) from None
        raise invalid_record(
            9006, "Content for AAAA record must be a valid IPv6 address."
        ) from None
    if record_type == "CNAME" and not _HOST.fullmatch(content.rstrip(".").lower()):
        raise invalid_record(9007, "Content for CNAME record is invalid.")
    return content.rstrip(".") if record_type == "CNAME" else content


def _ttl(value: object, *, proxied: bool) -> int:
    if not isinstance(value, (int, float)) or not (value == 1 or 60 <= value <= 86400):
        why = "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."
        raise invalid_record(9021, why)
    return 1 if proxied else int(value)


def _comment(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_COMMENT_LENGTH:
        raise invalid_record(9208, f"Comment may have at most {MAX_COMMENT_LENGTH} characters.")
    return value
