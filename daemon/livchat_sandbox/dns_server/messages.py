"""DNS messages of an authoritative server, encoded and decoded by dnspython."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rcode import Rcode
from dns.rdatatype import RdataType

TYPES = frozenset({"A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "CAA"})
"""The record types that are answered."""
_UDP_PAYLOAD = 1232
_TEXT_BYTES = 255
"""The longest string of a TXT record."""


class MalformedQuery(Exception):
    """Bytes are no query; `response` is the answer to them, None if they cannot be answered."""

    def __init__(self, response: bytes | None) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True)
class Answer:
    """A record in an answer: `content` as Cloudflare's API writes it, `data` its parts if given."""

    name: str
    type: str
    content: str
    ttl: int = 300
    priority: int | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class Query:
    """A message with one question."""

    message: dns.message.Message

    @property
    def name(self) -> str:
        """The name of the question, in lower case and without the dot at its end."""
        return self.message.question[0].name.to_text(omit_final_dot=True).lower()

    @property
    def type(self) -> RdataType:
        """The record type of the question; `RdataType.ANY` means all."""
        return self.message.question[0].rdtype

    def asks_for(self, record_type: str) -> bool:
        """Whether the question is about records of a type, or about those of all types."""
        return self.type in {RdataType[record_type], RdataType.ANY}

    @property
    def is_standard(self) -> bool:
        """Whether it is a standard query, and no answer, update or notification."""
        is_response = bool(self.message.flags & dns.flags.QR)
        return not is_response and self.message.opcode() == dns.opcode.QUERY


def parse_query(wire: bytes) -> Query:
    """Return the query in a message; raise `MalformedQuery` unless it has one question."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        raise MalformedQuery(_format_error(wire)) from None
    if len(message.question) != 1:
        raise MalformedQuery(_format_error(wire))
    return Query(message)


def encode_response(
    query: Query,
    code: Rcode,
    answers: Sequence[Answer] = (),
    authority: Sequence[Answer] = (),
    *,
    datagram: bool,
) -> bytes:
    """Return the response to a query.

    In a datagram it has no record, and the flag for truncation, if it is longer than the client
    takes: 512 bytes, or what its EDNS option says. Raises `ValueError` or `DNSException` for a
    record whose content does not fit its type.
    """
    response = dns.message.Message(id=query.message.id)
    response.flags = dns.flags.QR | (query.message.flags & dns.flags.RD)
    if code in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        response.flags |= dns.flags.AA
    response.set_opcode(query.message.opcode())
    response.set_rcode(code)
    response.question = list(query.message.question)
    if query.message.edns >= 0:
        response.use_edns(0, 0, _UDP_PAYLOAD)
    for section, records in ((response.answer, answers), (response.authority, authority)):
        for record in records:
            _add(section, record)
    if not datagram:
        return response.to_wire()
    try:
        return response.to_wire(max_size=max(512, query.message.payload))
    except dns.exception.TooBig:
        response.answer, response.authority = [], []
        response.flags |= dns.flags.TC
        return response.to_wire()


def _add(section: list[dns.rrset.RRset], record: Answer) -> None:
    name, rdata = dns.name.from_text(record.name), _rdata(record)
    for rrset in section:
        if rrset.match(name, rdata.rdclass, rdata.rdtype, rdata.covers()):
            rrset.add(rdata, record.ttl)
            return
    section.append(dns.rrset.from_rdata(name, record.ttl, rdata))


def _rdata(record: Answer) -> dns.rdata.Rdata:
    if record.type == "TXT":
        wire = b"".join(bytes([len(part)]) + part for part in _strings(record.content))
        return dns.rdata.from_wire(dns.rdataclass.IN, RdataType.TXT, wire, 0, len(wire))
    if record.type == "CAA":
        return _caa(record)
    content = record.content
    if record.type == "MX":
        content = f"{record.priority or 0} {content}"
    # Names in a record are complete, with or without a dot at their end.
    return dns.rdata.from_text(
        dns.rdataclass.IN, record.type, content, origin=dns.name.root, relativize=False
    )


def _caa(record: Answer) -> dns.rdata.Rdata:
    """Return a CAA record, from its parts or from `0 issue "letsencrypt.org"`."""
    parts = record.data or {}
    if not parts:
        words = (*shlex.split(record.content), "", "")
        parts = dict(zip(("flags", "tag", "value"), words, strict=False))
    tag, value = str(parts["tag"]).encode(), str(parts["value"]).encode()
    wire = bytes([int(parts["flags"] or 0), len(tag)]) + tag + value
    return dns.rdata.from_wire(dns.rdataclass.IN, RdataType.CAA, wire, 0, len(wire))


def _strings(text: str) -> list[bytes]:
    """Return a text as the strings in which it is sent; quotes around them are dropped."""
    whole = text.strip('"').replace('" "', "").encode()
    return [whole[at : at + _TEXT_BYTES] for at in range(0, len(whole), _TEXT_BYTES)] or [b""]


def _format_error(wire: bytes) -> bytes | None:
    """Return the answer to what is no query, None if not even a message id can be read."""
    if len(wire) < 12:
        return None
    response = dns.message.Message(id=int.from_bytes(wire[:2]))
    response.flags = dns.flags.QR
    response.set_rcode(Rcode.FORMERR)
    return response.to_wire()
