"""DNS messages on the wire, as far as an authoritative server needs them (RFC 1035, 6891, 8659)."""

from __future__ import annotations

import shlex
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "CAA": 257}
ANY = 255
OPT = 41
INTERNET = 1

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 3, 4, 5
_ANSWER, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x0400, 0x0200, 0x0100
# What fits into a datagram where the asker does not say.
SMALL = 512


class Malformed(Exception):
    """Bytes that are no question; `number` is the message's, if it can be read."""

    def __init__(self, number: int | None) -> None:
        super().__init__()
        self.number = number


@dataclass(frozen=True)
class Question:
    """What is asked. `raw` is the question as it came, which an answer repeats."""

    number: int
    flags: int
    name: str
    kind: int
    raw: bytes
    most: int
    edns: bool

    @property
    def standard(self) -> bool:
        """Whether it is a standard query, and no answer or update."""
        return self.flags & 0xF800 == 0


@dataclass(frozen=True)
class Answer:
    """A record on its way: `content` as Cloudflare's API writes it."""

    name: str
    kind: str
    content: str
    ttl: int = 300
    priority: int | None = None
    data: dict[str, Any] | None = None


def read(message: bytes) -> Question:
    """The one question in a message; `Malformed` if there is none or there are several."""
    if len(message) < 12:
        raise Malformed(None)
    number, flags, questions, _, _, more = struct.unpack("!6H", message[:12])
    if questions != 1:
        raise Malformed(number)
    try:
        name, at = _read_name(message, 12)
        kind, _ = struct.unpack("!HH", message[at : at + 4])
    except (IndexError, UnicodeDecodeError, struct.error):
        raise Malformed(number) from None
    end = at + 4
    edns = more > 0 and message[end : end + 3] == struct.pack("!BH", 0, OPT)
    most = max(SMALL, struct.unpack("!H", message[end + 3 : end + 5])[0]) if edns else SMALL
    return Question(number, flags, name, kind, message[12:end], most, edns)


def write(
    question: Question,
    code: int,
    answers: Sequence[Answer] = (),
    authority: Sequence[Answer] = (),
    *,
    most: int | None = None,
) -> bytes:
    """An answer; cut short, with the flag that says so, where it is longer than `most`."""
    authoritative = _AUTHORITATIVE if code in {NOERROR, NXDOMAIN} else 0
    flags = _ANSWER | authoritative | (question.flags & _RECURSION_DESIRED) | code
    body = b"".join(_record(answer) for answer in (*answers, *authority))
    counts = [len(answers), len(authority)]
    opt = struct.pack("!BHHIH", 0, OPT, 1232, 0, 0) if question.edns else b""
    if most is not None and 12 + len(question.raw) + len(body) + len(opt) > most:
        flags, body, counts = flags | _TRUNCATED, b"", [0, 0]
    head = struct.pack("!6H", question.number, flags, 1, *counts, 1 if opt else 0)
    return head + question.raw + body + opt


def refuse(number: int) -> bytes:
    """The answer to what is no question."""
    return struct.pack("!6H", number, _ANSWER | FORMERR, 0, 0, 0, 0)


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := message[at]:
        if length > 63:
            raise IndexError  # a question has nothing to point back at
        labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(answer: Answer) -> bytes:
    data = _data(answer)
    head = struct.pack("!HHIH", KINDS[answer.kind], INTERNET, answer.ttl, len(data))
    return _name(answer.name) + head + data


def _data(answer: Answer) -> bytes:
    content = answer.content
    if answer.kind == "A":
        return IPv4Address(content).packed
    if answer.kind == "AAAA":
        return IPv6Address(content).packed
    if answer.kind == "MX":
        return struct.pack("!H", answer.priority or 0) + _name(content)
    if answer.kind == "TXT":
        return b"".join(_text(part) for part in _parts(content))
    if answer.kind == "CAA":
        return _authority(answer)
    if answer.kind == "SOA":
        first, second, *numbers = content.split()
        return _name(first) + _name(second) + struct.pack("!5I", *map(int, numbers))
    return _name(content)


def _authority(answer: Answer) -> bytes:
    """A CAA record, from its parts or from `0 issue "letsencrypt.org"`."""
    data = answer.data or {}
    if not data:
        parts = (*shlex.split(answer.content), "", "")
        data = dict(zip(("flags", "tag", "value"), parts, strict=False))
    tag, value = str(data["tag"]).encode(), str(data["value"]).encode()
    return bytes([int(data["flags"] or 0), len(tag)]) + tag + value


def _parts(text: str) -> list[bytes]:
    """A text in the strings of at most 255 bytes that it is sent in."""
    whole = text.strip('"').replace('" "', "").encode()
    return [whole[at : at + 255] for at in range(0, len(whole), 255)] or [b""]


def _text(part: bytes) -> bytes:
    return bytes([len(part)]) + part
