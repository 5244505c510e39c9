"""An operator's day at Cloudflare, written from its library's own documentation.

The library itself reads CLOUDFLARE_BASE_URL and CLOUDFLARE_API_TOKEN; prints what it saw as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import cloudflare
from cloudflare import Cloudflare


def refused(call: Any, *arguments: Any, **named: Any) -> list[Any]:
    """The kind of a refusal, and the codes in it."""
    try:
        call(*arguments, **named)
    except cloudflare.APIStatusError as error:
        return [type(error).__name__, error.status_code, *(each.code for each in error.errors)]
    return []


def main(client: Any) -> dict[str, Any]:
    """All of it, and nothing left at the end."""
    seen: dict[str, Any] = {"token": client.user.tokens.verify().status}
    seen["zones"] = sorted(zone.name for zone in client.zones.list())
    zone = next(iter(client.zones.list(name="example.com")))
    found = client.zones.get(zone_id=zone.id)
    seen["zone"] = [found.name, found.status, len(found.name_servers)]
    records = client.dns.records

    made = [
        records.create(
            zone_id=zone.id, type="A", name=f"app{n:02}.example.com", content=f"198.18.0.{n + 1}",
            ttl=300, proxied=False, comment="mine" if n % 2 else "theirs",
        )
        for n in range(23)
    ]  # fmt: skip
    first = records.list(zone_id=zone.id, per_page=5)
    info = first.result_info
    seen["page"] = [len(first.result), info.page, info.per_page, first.has_next_page()]
    seen["second page"] = [record.name for record in first.get_next_page().result][:1]
    seen["all"] = sum(1 for _ in records.list(zone_id=zone.id, per_page=5))
    either = {"name": {"exact": "app00.example.com"}, "content": {"exact": "198.18.0.2"}}
    questions: dict[str, dict[str, Any]] = {
        "by name": {"name": {"exact": "app03.example.com"}},
        "by beginning": {"name": {"startswith": "app1"}},
        "by content": {"content": {"exact": "198.18.0.7"}},
        "by comment": {"comment": {"exact": "mine"}},
        "by kind": {"type": "CNAME"},
        "any": {"match": "any", **either},
    }
    for name, filters in questions.items():
        seen[name] = sum(1 for _ in records.list(zone_id=zone.id, **filters))

    one = made[0]
    changed = records.update(
        one.id, zone_id=zone.id, type="A", name=one.name, content="198.18.1.1", ttl=1
    )
    seen["updated"] = [changed.content, changed.ttl, changed.comment]
    edited = records.edit(
        one.id, zone_id=zone.id, type="A", name=one.name, content="198.18.1.1", ttl=1,
        comment="edited",
    )  # fmt: skip
    seen["edited"] = [edited.content, edited.comment]
    seen["got"] = records.get(one.id, zone_id=zone.id).comment
    alias = records.create(
        zone_id=zone.id, type="CNAME", name="www", content="app00.example.com", ttl=1, proxied=True
    )
    seen["alias"] = [alias.name, alias.proxied]
    text = records.create(zone_id=zone.id, type="TXT", name="@", content='"v=spf1 -all"', ttl=1)
    seen["text"] = [text.name, text.content]

    wrong: dict[str, dict[str, Any]] = {
        "same": {"type": "A", "name": one.name, "content": "198.18.1.1"},
        "beside an alias": {"type": "A", "name": "www.example.com", "content": "198.18.1.1"},
        "no address": {"type": "A", "name": "x", "content": "300.1.1.1"},
        "no such kind": {"type": "XYZ", "name": "x", "content": "x"},
    }
    for name, fields in wrong.items():
        seen[name] = refused(records.create, zone_id=zone.id, ttl=1, **fields)
    seen["no such record"] = refused(records.get, "0" * 32, zone_id=zone.id)
    seen["no such zone"] = refused(client.zones.get, zone_id="f" * 32)
    stranger = Cloudflare(api_token="x" * 40, max_retries=0)
    seen["wrong token"] = refused(stranger.zones.list)

    for record in list(records.list(zone_id=zone.id)):
        records.delete(record.id, zone_id=zone.id)
    seen["left"] = sum(1 for _ in records.list(zone_id=zone.id))
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Cloudflare()), default=str))
