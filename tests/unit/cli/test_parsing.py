"""Settings of apps as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from livchat.cli.input.parsing import app_values, values_per_app
from livchat.errors import BadRequest, InvalidRequest


def test_values_are_numbers_and_truths_only_where_they_are_written_so() -> None:
    typed = ["a=5", "b=true", "c=1.5", "d=007", "e=x=y", "f=", "g=1e3", "h=nan"]
    assert app_values(typed) == {
        "a": 5, "b": True, "c": 1.5, "d": "007", "e": "x=y", "f": "", "g": "1e3", "h": "nan",
    }  # fmt: skip


def test_a_setting_belongs_to_the_app_that_it_names() -> None:
    assert values_per_app(["n8n.mem=512", "postgres.disk=10"], ["n8n", "postgres"]) == {
        "n8n": {"mem": 512},
        "postgres": {"disk": 10},
    }
    assert values_per_app(["mem=512"], ["n8n"]) == {"n8n": {"mem": 512}}


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p@ss=1\n")
    assert app_values([f"smtp_password=@{tmp_path}/secret"]) == {"smtp_password": "p@ss=1"}
    with pytest.raises(BadRequest, match="cannot read"):
        app_values([f"smtp_password=@{tmp_path}/nothing"])


@pytest.mark.parametrize(
    ("typed", "apps"), [("mem", ["n8n"]), ("=5", ["n8n"]), ("a=5", ["b", "c"])]
)
def test_what_cannot_be_understood_is_a_usage_error(typed: str, apps: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        values_per_app([typed], apps)
    assert refused.value.exit_code == 2
    assert typed in refused.value.message
