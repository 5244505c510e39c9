"""Answers to an app's questions."""

from __future__ import annotations

import pytest

from livchat.errors import InvalidRequest
from livchatd.catalog.catalog import Catalog
from livchatd.catalog.params import gate_disabled, resolve_params, secret_params
from livchatd.catalog.schema import Scalar

CATALOG = Catalog.load()
N8N = CATALOG.app("n8n").spec
KNOWN = {"email": "ops@example.com", "timezone": "UTC", "domain": "lab.example.com"}


def test_defaults_fill_what_was_not_said() -> None:
    found = resolve_params(N8N, {}, KNOWN)
    assert found["owner_email"] == "ops@example.com"
    assert found["worker_concurrency"] == "10"
    assert found["smtp_host"] is None


def test_what_was_said_goes_before_a_default() -> None:
    given: dict[str, Scalar] = {"owner_email": "me@example.com", "worker_concurrency": "25"}
    found = resolve_params(N8N, given, KNOWN)
    assert found["owner_email"] == "me@example.com"
    assert found["worker_concurrency"] == "25"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("owner_email", "nobody", "e-mail"),
        ("worker_concurrency", "many", "whole number"),
        ("worker_concurrency", 1.5, "whole number"),
        ("worker_concurrency", 0, "at least 1"),
        ("worker_concurrency", 101, "at most 100"),
        ("smtp_ssl", "perhaps", "true or false"),
        ("smtp_host", "a b", "host name"),
        ("smtp_user", "two\nlines", "one line"),
        ("unknown", "x", "does not ask"),
        ("open", True, "does not ask"),
    ],
)
def test_an_answer_that_does_not_fit_names_its_field(name: str, value: Scalar, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        resolve_params(N8N, {name: value}, KNOWN)
    assert caught.value.details["fields"][0]["field"] == f"config.{name}"


def test_a_needed_answer_that_is_missing_says_how_to_give_it() -> None:
    with pytest.raises(InvalidRequest, match="is needed") as caught:
        resolve_params(CATALOG.app("typebot").spec, {}, KNOWN)
    assert "--set smtp_host=VALUE" in str(caught.value.hint)
    with pytest.raises(InvalidRequest, match="is needed"):
        resolve_params(N8N, {}, {"timezone": "UTC"})


def test_a_gated_app_may_be_opened_and_others_may_not() -> None:
    flowise = CATALOG.app("flowise").spec
    assert resolve_params(flowise, {"open": True}, KNOWN) == {}
    assert gate_disabled({"open": True})
    assert gate_disabled({"open": "yes"})
    assert not gate_disabled({})


def test_secret_answers_are_known_by_name() -> None:
    assert secret_params(N8N) == {"smtp_password"}
