"""Names in SQL, and the names of apps' databases."""

from __future__ import annotations

from livchatd.steps.apps.postgres import identifier, literal
from livchatd.steps.apps.stack_inputs import database_name


def test_sql_takes_names_and_values_as_they_are() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


def test_a_database_is_named_after_its_app() -> None:
    assert database_name("evolution-api", "db") == "evolution_api"
    assert database_name("dify", "plugin") == "dify_plugin"
