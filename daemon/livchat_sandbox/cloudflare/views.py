"""Zones and records in the form in which Cloudflare's API shows them."""

from __future__ import annotations

import uuid
from typing import Any

from livchat_sandbox.cloudflare.http import stamp
from livchat_sandbox.cloudflare.records import PROXIABLE
from livchat_sandbox.storage.state import Record, Zone

Data = dict[str, Any]

ACCOUNT = {"id": uuid.uuid5(uuid.NAMESPACE_DNS, "livchat.localhost").hex, "name": "LivChat sandbox"}
NAME_SERVERS = ["ada.ns.sandbox.invalid", "bob.ns.sandbox.invalid"]


def zone_view(zone: Zone) -> Data:
    """A zone."""
    since = stamp(zone.created)
    return {
        "id": zone.id,
        "name": zone.name,
        "status": zone.status,
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": NAME_SERVERS,
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": since,
        "modified_on": since,
        "activated_on": since if zone.status == "active" else None,
        "vanity_name_servers": [],
        "meta": {"step": 2, "page_rule_quota": 3, "phishing_detected": False},
        "owner": {"id": ACCOUNT["id"], "type": "user", "name": "LivChat sandbox"},
        "account": ACCOUNT,
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        "plan": {"id": ACCOUNT["id"], "name": "Free Website", "price": 0, "currency": "USD"},
    }


def record_view(record: Record) -> Data:
    """A DNS record."""
    optional = {"priority": record.priority, "data": record.data}
    return {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "content": record.content,
        "proxiable": record.type in PROXIABLE,
        "proxied": record.proxied,
        "ttl": record.ttl,
        "settings": {},
        "meta": {},
        "comment": record.comment,
        "tags": record.tags,
        "created_on": stamp(record.created),
        "modified_on": stamp(record.modified),
        **{name: value for name, value in optional.items() if value is not None},
    }
