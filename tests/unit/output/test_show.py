"""Results and errors: where they go, how many lines, in which language."""

from __future__ import annotations

import json

import pytest

from livchat.errors import InvalidRequest, LivChatError
from livchat.output import show
from livchat.output.formatting import duration, price
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import jobs as tables

ANSWER = {"servers": {"a": {"name": "a"}, "b": {"name": "b"}}, "total": 2}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (Format.JSON, json.dumps(ANSWER, indent=2) + "\n"),
        (Format.NDJSON, '{"name":"a"}\n{"name":"b"}\n'),
        (Format.QUIET, "a\nb\n"),
        (Format.HUMAN, "for a person\n"),
    ],
)
def test_a_result_is_written_as_it_was_asked_for(
    capsys: pytest.CaptureFixture[str], output: Format, wanted: str
) -> None:
    show.result(
        ANSWER,
        output,
        human=lambda _: ["for a person"],
        quiet=lambda answer: list(answer["servers"]),
        items=lambda answer: answer["servers"].values(),
    )
    told = capsys.readouterr()
    assert told.out == wanted
    assert told.err == ""


def test_an_error_has_at_most_four_lines_and_ends_with_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    details = {
        "why": "no route\nto host",
        "left_behind": ["a server"],
        "fields": [{"field": "a", "message": "b"}, {"field": "c", "message": "d"}],
    }
    show.error(LivChatError("it went wrong", hint="livchat job logs x", details=details))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "error: it went wrong",
        "why: no route to host",
        "left behind: a server",
        "hint: livchat job logs x",
    ]


def test_all_fields_that_are_wrong_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [{"field": "name", "message": "is needed"}, {"field": "zone", "message": "is needed"}]
    show.error(InvalidRequest("name: is needed", details={"fields": fields}))
    assert capsys.readouterr().err == "error: name: is needed\nzone: is needed\n"


def test_the_locale_chooses_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    assert translate("error") == "erro"
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert translate("error") == "error"


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (-3, "0.0 s"),
        (12.34, "12.3 s"),
        (59.99, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


def test_a_price_is_an_amount_with_its_currency() -> None:
    assert price("5.4900000000", "EUR") == "5.49 EUR"
    assert price(None, None) == "-"


def test_a_table_of_nothing_still_has_its_head() -> None:
    assert list(tables.jobs({"jobs": [], "total": 0, "next_cursor": None})) == [
        "JOB  STATUS  CREATED  TOOK  SUMMARY"
    ]


def test_a_job_made_elsewhere_with_an_unknown_result_can_be_shown() -> None:
    told = list(tables.job_result({"result": {"thing": "x", "many": [1], "server": "prod-01"}}))
    assert told == ["server  prod-01", "thing   x"]
