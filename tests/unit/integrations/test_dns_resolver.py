"""Name servers as people write them, and answers as people read them."""

from __future__ import annotations

import pytest

from livchat.errors import InvalidRequest
from livchatd.integrations.dns_resolver import DnsAnswer, parse_name_server


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        (" 192.0.2.53:5353", "192.0.2.53", 5353),
        ("2001:db8::53", "2001:db8::53", 53),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353),
        ("[2001:db8::53]", "2001:db8::53", 53),
    ],
)
def test_a_name_server_is_an_address_and_maybe_a_port(text: str, address: str, port: int) -> None:
    found = parse_name_server(text)
    assert (found.address, found.port) == (address, port)


@pytest.mark.parametrize("text", ["ns1.example.com", "192.0.2.53:x", "192.0.2.53:0", "[::1]x", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not the address of a name server"):
        parse_name_server(text)


def test_an_answer_is_told_in_words() -> None:
    assert str(DnsAnswer(("203.0.113.7",))) == "203.0.113.7"
    assert str(DnsAnswer()) == "nothing"
    assert str(DnsAnswer(exists=False)) == "that there is no such name"
    assert str(DnsAnswer(refused="SERVFAIL")) == "SERVFAIL"
