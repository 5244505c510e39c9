"""Hetzner's labels and label selectors."""

from __future__ import annotations

import pytest

from livchat_sandbox.hetzner import labels


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("env=prod", True),
        ("env==prod,job", True),
        ("env!=prod", False),
        ("missing!=x", True),
        ("!env", False),
        ("!missing", True),
        ("env in (dev, prod)", True),
        ("env notin (dev,prod),job", False),
        ("job=", True),
    ],
)
def test_a_selector_picks_by_labels(selector: str, meant: object) -> None:
    assert labels.parse_selector(selector)({"env": "prod", "job": ""}) == meant


@pytest.mark.parametrize("selector", ["env=prod,", "a b", "(", "env in prod"])
def test_a_selector_that_cannot_be_read_is_told(selector: str) -> None:
    with pytest.raises(ValueError, match="selector"):
        labels.parse_selector(selector)


@pytest.mark.parametrize("wrong", [{"a b": "c"}, {"a": "-"}, {"a": 1}, {"x" * 64: ""}, ["a"]])
def test_some_labels_are_not_allowed(wrong: object) -> None:
    assert not labels.are_valid(wrong)
    assert labels.are_valid({"livchat.dev/job": "job_1", "a": ""})
