"""Whether CAA records let a certificate be issued, and which names' records decide."""

from __future__ import annotations

import pytest

from livchatd.steps.apps.caa import may_issue, names_upwards


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
    assert may_issue(rules, "issue", "http-01") is may


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
    assert may_issue(rules, "issuewild", "dns-01") is may


def test_rules_are_looked_for_upwards_from_each_name_to_the_zone() -> None:
    found = names_upwards("a.lab.example.com", "example.com")
    assert found == ["a.lab.example.com", "lab.example.com", "example.com"]
    assert names_upwards("example.com", "example.com") == ["example.com"]
