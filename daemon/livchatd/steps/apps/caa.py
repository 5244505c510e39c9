"""CAA records: whether they let Let's Encrypt issue a certificate (RFC 8659, RFC 8657)."""

from __future__ import annotations

import re
from collections.abc import Sequence

ISSUER = "letsencrypt.org"
_CAA = re.compile(r'^\d+ (?P<tag>[a-z0-9]+) "?(?P<value>[^"]*)"?$', re.IGNORECASE)


def may_issue(rules: Sequence[str], tag: str, method: str) -> bool:
    """Whether the CAA records of one name let Let's Encrypt issue; without any, everybody may.

    `tag` is `issue`, or `issuewild` for a wildcard; `method` is the challenge, such as `http-01`.
    """
    found = [
        (match["tag"].lower(), match["value"]) for rule in rules if (match := _CAA.match(rule))
    ]
    values = [value for name, value in found if name == tag]
    if not values and tag == "issuewild":
        values = [value for name, value in found if name == "issue"]
    return not values or any(_names_issuer(value, method) for value in values)


def names_upwards(host: str, zone: str) -> list[str]:
    """Return a host and the names above it up to its zone: the nearest with CAA records decides."""
    names = [host]
    while names[-1].endswith(f".{zone}"):
        names.append(names[-1].partition(".")[2])
    return names


def _names_issuer(value: str, method: str) -> bool:
    """Whether one CAA value names Let's Encrypt, and this challenge if it names any."""
    issuer, *parameters = [part.strip().lower() for part in value.split(";")]
    given = dict(part.replace(" ", "").partition("=")[::2] for part in parameters)
    methods = given.get("validationmethods")
    return issuer == ISSUER and (methods is None or method in methods.split(","))
