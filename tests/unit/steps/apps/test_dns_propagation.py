"""What certificates may be issued, whom CAA records ask, and where name servers are."""

from __future__ import annotations

import pytest

from livchat.errors import Invalid
from livchatd.integrations.dns_resolver import Answered, name_server
from livchatd.steps.apps.dns_propagation import _may_issue, _upwards


@pytest.mark.parametrize(
    ("rules", "may"),
    [
        ([], True),
        (['0 issue "letsencrypt.org"'], True),
        (['0 issue "LetsEncrypt.org; accounturi=https://a"'], True),
        (['0 issue "digicert.com"', '0 issue "letsencrypt.org"'], True),
        (['0 issue "digicert.com"'], False),
        (['0 issue ";"'], False),
        (['0 issuewild ";"'], True),
        (['0 iodef "mailto:a@example.com"'], True),
    ],
)
def test_who_may_issue_is_read_as_authorities_read_it(rules: list[str], *, may: bool) -> None:
    assert _may_issue(rules, "issue", "http-01") is may


@pytest.mark.parametrize(
    ("rules", "may"),
    [
        ([], True),
        (['0 issue "letsencrypt.org"'], True),
        (['0 issue "digicert.com"'], False),
        (['0 issue "digicert.com"', '0 issuewild "letsencrypt.org"'], True),
        (['0 issue "letsencrypt.org"', '0 issuewild ";"'], False),
        (['0 issue "letsencrypt.org"', '0 issuewild "digicert.com"'], False),
        (['0 issuewild "letsencrypt.org; validationmethods=dns-01"'], True),
        (['0 issuewild "letsencrypt.org;validationmethods=http-01, dns-01"'], True),
        (['0 issuewild "letsencrypt.org; validationmethods=http-01"'], False),
    ],
)
def test_a_wildcard_has_rules_of_its_own_before_the_common_ones(
    rules: list[str], *, may: bool
) -> None:
    assert _may_issue(rules, "issuewild", "dns-01") is may


def test_rules_are_looked_for_upwards_from_each_name_to_the_zone() -> None:
    found = _upwards("a.lab.example.com", "example.com")
    assert found == ["a.lab.example.com", "lab.example.com", "example.com"]
    assert _upwards("example.com", "example.com") == ["example.com"]


@pytest.mark.parametrize(
    ("told", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        (" 192.0.2.53:5353", "192.0.2.53", 5353),
        ("2001:db8::53", "2001:db8::53", 53),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353),
        ("[2001:db8::53]", "2001:db8::53", 53),
    ],
)
def test_a_name_server_is_an_address_and_maybe_a_port(told: str, address: str, port: int) -> None:
    found = name_server(told)
    assert (found.address, found.port) == (address, port)


@pytest.mark.parametrize("told", ["ns1.example.com", "192.0.2.53:x", "192.0.2.53:0", "[::1]x", ""])
def test_what_is_no_address_is_refused(told: str) -> None:
    with pytest.raises(Invalid, match="is not the address of a name server"):
        name_server(told)


def test_an_answer_is_told_in_words() -> None:
    assert str(Answered(("203.0.113.7",))) == "203.0.113.7"
    assert str(Answered()) == "nothing"
    assert str(Answered(exists=False)) == "that there is no such name"
    assert str(Answered(refused="SERVFAIL")) == "SERVFAIL"
