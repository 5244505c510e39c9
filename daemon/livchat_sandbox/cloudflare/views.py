"""Zones and DNS records in the form in which Cloudflare's API shows them."""

from __future__ import annotations

import uuid

from livchat_sandbox.cloudflare.http import Json, timestamp
from livchat_sandbox.cloudflare.records import PROXIABLE
from livchat_sandbox.storage.state import NAME_SERVERS, DnsRecord, DnsZone

ACCOUNT = {"id": uuid.uuid5(uuid.NAMESPACE_DNS, "livchat.localhost").hex, "name": "LivChat sandbox"}


def zone_view(zone: DnsZone) -> Json:
    """Return a zone."""
    since = timestamp(zone.created)
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


def record_view(record: DnsRecord) -> Json:
    """Return a DNS record."""
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
        "created_on": timestamp(record.created),
        "modified_on": timestamp(record.modified),
        **{name: value for name, value in optional.items() if value is not None},
    }
