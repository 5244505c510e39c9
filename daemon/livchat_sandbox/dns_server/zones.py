"""What the name server answers from the records of the account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dns.rcode import Rcode
from dns.rdatatype import RdataType

from livchat_sandbox.cloud.world import MAX_ALIAS_HOPS, World
from livchat_sandbox.dns_server.messages import TYPES, Answer, Query
from livchat_sandbox.storage.state import NAME_SERVERS, DnsRecord, DnsZone

PROPAGATION_SECONDS = 2.0
"""Simulated seconds from a record's change at the API until it is answered."""
EDGE_ADDRESSES = {"A": "104.21.0.1", "AAAA": "2606:4700::6815:1"}
"""What a proxied name answers in place of its content: addresses of Cloudflare's edge."""


@dataclass(frozen=True)
class Response:
    """The response code, the answer section and the authority section."""

    code: Rcode
    answers: Sequence[Answer] = ()
    authority: Sequence[Answer] = ()


class Zones:
    """Answers queries from the account's records, each a moment after it was changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._propagated: dict[str, DnsRecord] = {}

    def respond(self, query: Query) -> Response:
        """Return the response to a query; CNAMEs are followed within the account's zones."""
        if not query.is_standard:
            return Response(Rcode.NOTIMP)
        zone = self._zone_of(query.name)
        if zone is None:
            return Response(Rcode.REFUSED)
        records = self._current_records()
        answers: list[Answer] = []
        name, exists = query.name, True
        for _ in range(MAX_ALIAS_HOPS):
            at_name, exists = _at_name(name, zone, records)
            alias = next((each for each in at_name if each.type == "CNAME"), None)
            if alias is None or query.asks_for("CNAME"):
                answers += [each for each in at_name if query.asks_for(each.type)]
                break
            answers.append(alias)
            name = alias.content.rstrip(".").lower()
            target_zone = self._zone_of(name)
            if target_zone is None:
                return Response(Rcode.NOERROR, answers)
            zone = target_zone
        if answers or query.type == RdataType.SOA:
            return Response(Rcode.NOERROR, answers)
        return Response(Rcode.NOERROR if exists else Rcode.NXDOMAIN, (), [_start_of(zone)])

    def _zone_of(self, name: str) -> DnsZone | None:
        """Return the smallest zone that a name is in, or None."""
        zones = self._world.state.zones.values()
        around = [zone for zone in zones if name == zone.name or name.endswith(f".{zone.name}")]
        return max(around, key=lambda zone: len(zone.name), default=None)

    def _current_records(self) -> list[DnsRecord]:
        """Return the records as they are answered now: one that just changed is as it was before.

        A record that was deleted is gone at once.
        """
        clock, records = self._world.clock, self._world.state.records
        visible_since = clock.now() - clock.scaled(PROPAGATION_SECONDS)
        for record_id, record in records.items():
            known = self._propagated.get(record_id)
            if record.modified <= visible_since and (
                known is None or known.modified != record.modified
            ):
                self._propagated[record_id] = replace(record)
        for record_id in self._propagated.keys() - records.keys():
            del self._propagated[record_id]
        return list(self._propagated.values())


def _at_name(name: str, zone: DnsZone, records: list[DnsRecord]) -> tuple[list[Answer], bool]:
    """Return the records at a name, by wildcards too, and whether the name exists at all."""
    of_zone = list(_of_zone(zone)) if name == zone.name else []
    exact = [record for record in records if record.name == name]
    if of_zone or exact or _has_names_below(name, records):
        return [*of_zone, *_answers(exact, name)], True
    parent = name
    while parent != zone.name:
        parent = parent.partition(".")[2]
        wildcard = [record for record in records if record.name == f"*.{parent}"]
        if wildcard:
            return _answers(wildcard, name), True
        if _has_names_below(parent, records) or any(record.name == parent for record in records):
            break  # A name that exists is not covered by a wildcard further up.
    return [], False


def _has_names_below(name: str, records: list[DnsRecord]) -> bool:
    return any(record.name.endswith(f".{name}") for record in records)


def _of_zone(zone: DnsZone) -> Iterator[Answer]:
    yield _start_of(zone)
    for server in NAME_SERVERS:
        yield Answer(zone.name, "NS", server, 86_400)


def _start_of(zone: DnsZone) -> Answer:
    content = f"{NAME_SERVERS[0]} dns.{zone.name} {int(zone.created)} 10000 2400 604800 1800"
    return Answer(zone.name, "SOA", content, 1800)


def _answers(records: list[DnsRecord], name: str) -> list[Answer]:
    """Return records as answers for a name; those of types that are not served are left out."""
    return [_answer(record, name) for record in records if record.type in TYPES]


def _answer(record: DnsRecord, name: str) -> Answer:
    content = EDGE_ADDRESSES.get(record.type, record.content) if record.proxied else record.content
    ttl = 300 if record.ttl == 1 else record.ttl
    return Answer(name, record.type, content, ttl, record.priority, record.data)
