"""DNS messages: whatever bytes come, the answer is a message or nothing."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest
from dns.rcode import Rcode
from hypothesis import given
from hypothesis import strategies as st

from livchat_sandbox.dns_server.messages import (
    Answer,
    MalformedQuery,
    Query,
    encode_response,
    parse_query,
)

HEADER = st.binary(min_size=12, max_size=12)


def query(name: str = "lab.example.com", record_type: str = "A", payload: int = 0) -> Query:
    asked = dns.message.make_query(name, record_type)
    if payload:
        asked.use_edns(0, payload=payload)
    return parse_query(asked.to_wire())


@given(st.binary(max_size=80) | st.builds(bytes.__add__, HEADER, st.binary(max_size=60)))
def test_noise_is_a_query_or_is_refused_with_its_own_id(noise: bytes) -> None:
    try:
        found = parse_query(noise)
    except MalformedQuery as error:
        if error.response is None:
            assert len(noise) < 12
            return
        response = dns.message.from_wire(error.response)
        assert (response.id, response.rcode()) == (int.from_bytes(noise[:2]), Rcode.FORMERR)
    else:
        response = dns.message.from_wire(encode_response(found, Rcode.REFUSED, datagram=True))
        assert response.id == int.from_bytes(noise[:2])


def test_a_name_is_compared_in_lower_case_and_repeated_as_it_was_asked() -> None:
    asked = query("LaB.Example.COM")
    assert asked.name == "lab.example.com"
    response = dns.message.from_wire(encode_response(asked, Rcode.NOERROR, datagram=True))
    assert response.question[0].name.to_text() == "LaB.Example.COM."
    assert response.flags & dns.flags.AA


@pytest.mark.parametrize("kind", ["response", "update"])
def test_an_answer_or_update_is_no_standard_query(kind: str) -> None:
    message = dns.message.make_query("lab.example.com", "A")
    message.flags |= dns.flags.QR if kind == "response" else 5 << 11
    assert not Query(message).is_standard


def test_a_client_that_takes_more_than_512_bytes_gets_more() -> None:
    answers = [Answer("lab.example.com", "TXT", f"{number:03} " + "x" * 60) for number in range(12)]
    for payload, cut in ((0, True), (1400, False)):
        wire = encode_response(query(payload=payload), Rcode.NOERROR, answers, datagram=True)
        response = dns.message.from_wire(wire)
        assert bool(response.flags & dns.flags.TC) is cut
        assert sum(len(rrset) for rrset in response.answer) == (0 if cut else 12)


def test_a_caa_record_is_made_of_its_parts_where_they_are_given() -> None:
    parts = {"flags": 128, "tag": "issue", "value": "letsencrypt.org"}
    for record in (
        Answer("lab.example.com", "CAA", "ignored", data=parts),
        Answer("lab.example.com", "CAA", '128 issue "letsencrypt.org"'),
    ):
        wire = encode_response(query(record_type="CAA"), Rcode.NOERROR, [record], datagram=True)
        (rrset,) = dns.message.from_wire(wire).answer
        assert [item.to_text() for item in rrset] == ['128 issue "letsencrypt.org"']
