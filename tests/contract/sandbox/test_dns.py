"""The sandbox's name server, asked by dnspython over UDP and TCP."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
import requests

from tests.contract.sandbox_process import SandboxProcess, running

ZONE = "example.com"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("dns") / "sandbox") as found:
        yield found


@pytest.fixture(autouse=True)
def empty(sandbox: SandboxProcess) -> None:
    sandbox.control("reset", "POST")


def api(sandbox: SandboxProcess, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {sandbox.address['cloudflare_token']}"}
    url = f"{sandbox.address['cloudflare']}{path}"
    answer = requests.request(method, url, headers=headers, json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def zone_id(sandbox: SandboxProcess) -> str:
    found: str = api(sandbox, "GET", f"/zones?name={ZONE}")[0]["id"]
    return found


def add(sandbox: SandboxProcess, kind: str, name: str, content: str, **more: Any) -> str:
    body = {"type": kind, "name": name, "content": content, "ttl": 1, **more}
    path = f"/zones/{zone_id(sandbox)}/dns_records"
    found: str = api(sandbox, "POST", path, body)["id"]
    return found


def ask(sandbox: SandboxProcess, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    where, _, port = sandbox.address["dns"].partition(":")
    query = dns.message.make_query(name, kind)
    asking = dns.query.tcp if tcp else dns.query.udp
    return asking(query, where, port=int(port), timeout=5)


def said(answer: dns.message.Message) -> list[str]:
    return sorted(item.to_text() for found in answer.answer for item in found)


RECORDS = [
    ("A", "203.0.113.7", "203.0.113.7"),
    ("AAAA", "2001:db8::1", "2001:db8::1"),
    ("CNAME", "elsewhere.example.org", "elsewhere.example.org."),
    ("TXT", '"hello there"', '"hello there"'),
    ("CAA", '0 issue "letsencrypt.org"', '0 issue "letsencrypt.org"'),
    ("MX", "mail.example.org", "0 mail.example.org."),
]


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(("kind", "content", "shown"), RECORDS)
def test_a_record_is_answered_as_it_was_written(sandbox, kind, content, shown, tcp):
    add(sandbox, kind, "lab", content)
    answer = ask(sandbox, f"lab.{ZONE}", kind, tcp=tcp)
    assert said(answer) == [shown]
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA


def test_a_zone_tells_its_name_servers_and_its_start(sandbox):
    told = api(sandbox, "GET", f"/zones?name={ZONE}")[0]["name_servers"]
    assert said(ask(sandbox, ZONE, "NS")) == sorted(f"{name}." for name in told)
    assert said(ask(sandbox, ZONE, "SOA"))[0].startswith(f"{told[0]}. dns.{ZONE}. ")


def test_what_is_not_there_is_no_such_name_and_what_has_no_such_record_is_empty(sandbox):
    add(sandbox, "A", "www.lab", "203.0.113.7")
    gone = ask(sandbox, f"nothing.{ZONE}", "A")
    assert gone.rcode() == dns.rcode.NXDOMAIN
    assert gone.authority[0].rdtype == dns.rdatatype.SOA
    for name, kind in ((f"www.lab.{ZONE}", "AAAA"), (f"lab.{ZONE}", "A")):
        bare = ask(sandbox, name, kind)
        assert (bare.rcode(), bare.answer) == (dns.rcode.NOERROR, [])
        assert bare.authority[0].rdtype == dns.rdatatype.SOA


def test_a_wildcard_covers_what_is_not_there_and_nothing_else(sandbox):
    add(sandbox, "A", "*", "203.0.113.7")
    add(sandbox, "TXT", "www", "here")
    assert said(ask(sandbox, f"any.{ZONE}", "A")) == ["203.0.113.7"]
    assert said(ask(sandbox, f"a.b.{ZONE}", "A")) == ["203.0.113.7"]
    assert said(ask(sandbox, f"www.{ZONE}", "A")) == []
    assert ask(sandbox, f"below.www.{ZONE}", "A").rcode() == dns.rcode.NXDOMAIN


def test_an_alias_is_followed_within_the_account(sandbox):
    add(sandbox, "CNAME", "www", f"lab.{ZONE}")
    add(sandbox, "A", "lab", "203.0.113.7")
    assert said(ask(sandbox, f"www.{ZONE}", "A")) == ["203.0.113.7", f"lab.{ZONE}."]


def test_an_alias_of_itself_ends(sandbox):
    add(sandbox, "CNAME", "www", f"www.{ZONE}")
    assert ask(sandbox, f"www.{ZONE}", "A").rcode() == dns.rcode.NOERROR


def test_a_proxied_name_does_not_tell_where_it_leads(sandbox):
    add(sandbox, "A", "www", "203.0.113.7", proxied=True)
    told = said(ask(sandbox, f"www.{ZONE}", "A"))
    assert told
    assert told != ["203.0.113.7"]


def test_a_stranger_s_zone_is_refused(sandbox):
    assert ask(sandbox, "www.python.org", "A").rcode() == dns.rcode.REFUSED


def test_what_is_too_long_for_a_datagram_comes_over_tcp(sandbox):
    for number in range(60):
        add(sandbox, "TXT", "long", f"{number:03} " + "x" * 60)
    cut = ask(sandbox, f"long.{ZONE}", "TXT")
    assert cut.flags & dns.flags.TC
    assert cut.answer == []
    assert len(said(ask(sandbox, f"long.{ZONE}", "TXT", tcp=True))) == 60


def test_a_long_text_is_sent_in_pieces(sandbox):
    add(sandbox, "TXT", "key", "v=DKIM1; " + "k" * 600)
    (told,) = said(ask(sandbox, f"key.{ZONE}", "TXT", tcp=True))
    assert told.replace('" "', "") == '"v=DKIM1; ' + "k" * 600 + '"'


def test_a_deleted_record_is_answered_no_more(sandbox):
    number = add(sandbox, "A", "lab", "203.0.113.7")
    assert said(ask(sandbox, f"lab.{ZONE}", "A"))
    api(sandbox, "DELETE", f"/zones/{zone_id(sandbox)}/dns_records/{number}")
    assert ask(sandbox, f"lab.{ZONE}", "A").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("noise", [b"", b"\0", b"\xff" * 12, b"ab" + b"\0" * 10, b"\xc0" * 40])
def test_noise_is_survived(sandbox, noise):
    where, _, port = sandbox.address["dns"].partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.sendto(noise, (where, int(port)))
    with socket.create_connection((where, int(port)), timeout=5) as line:
        line.sendall(struct.pack("!H", len(noise)) + noise)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
    assert ask(sandbox, f"nothing.{ZONE}", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_change_is_seen_a_moment_after_the_api_took_it(tmp_path):
    """Never sooner, whatever the machine is busy with; until then what was there is answered."""
    with running(tmp_path / "sandbox", scale=1) as slow:
        since = time.time()
        number = add(slow, "A", "lab", "203.0.113.7")
        assert seen_until(slow, ["203.0.113.7"]) <= {()}
        assert time.time() - since >= 2
        since = time.time()
        body = {"type": "A", "name": "lab", "content": "203.0.113.8", "ttl": 1}
        api(slow, "PUT", f"/zones/{zone_id(slow)}/dns_records/{number}", body)
        assert seen_until(slow, ["203.0.113.8"]) <= {("203.0.113.7",)}
        assert time.time() - since >= 2


def seen_until(sandbox: SandboxProcess, wanted: list[str]) -> set[tuple[str, ...]]:
    """What is answered before what is wanted."""
    seen: set[tuple[str, ...]] = set()
    for _ in range(400):
        answer = said(ask(sandbox, f"lab.{ZONE}", "A"))
        if answer == wanted:
            return seen
        seen.add(tuple(answer))
        time.sleep(0.05)  # noqa: TID251 - a test waits for a record
    raise AssertionError(f"{wanted} is not answered, only {seen}")
