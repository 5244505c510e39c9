"""Hetzner's labels: which are allowed, and the selector that picks by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

LabelTest = Callable[[Mapping[str, str]], bool]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*/)?"
_KEY = _PREFIX + _NAME
_VALUE = rf"(?:{_NAME})?"

_TERMS = re.compile(r",(?![^(]*\))")
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_HAS = re.compile(rf"(!?)\s*({_KEY})")


def are_valid(labels: object) -> bool:
    """Whether these are labels that can be set."""
    return isinstance(labels, dict) and all(
        isinstance(key, str)
        and isinstance(value, str)
        and re.fullmatch(_KEY, key)
        and not key.startswith("hetzner.cloud/")
        and re.fullmatch(_VALUE, value)
        for key, value in labels.items()
    )


def parse_selector(text: str) -> LabelTest:
    """Return a test that labels pass if they meet every term of a selector.

    Raises `ValueError` if the selector cannot be read.
    """
    tests = [_parse_term(term.strip()) for term in _TERMS.split(text)]
    return lambda labels: all(test(labels) for test in tests)


def _parse_term(term: str) -> LabelTest:
    if match := _IN.fullmatch(term):
        key, operator, values = match.groups()
        wanted = {value.strip() for value in values.split(",")}
        return lambda labels: (labels.get(key) in wanted) == (operator == "in")
    if match := _EQUAL.fullmatch(term):
        key, operator, value = match.groups()
        return lambda labels: (labels.get(key) == value) == (operator != "!=")
    if match := _HAS.fullmatch(term):
        negation, key = match.groups()
        return lambda labels: (key in labels) == (negation == "")
    raise ValueError(f"cannot read the label selector at '{term}'")
