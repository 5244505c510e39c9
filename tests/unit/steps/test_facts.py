"""The facts of jobs survive a restart, and so do those that an earlier version stored."""

from __future__ import annotations

from livchatd.jobs.step import Facts
from livchatd.steps.facts import MachineFacts, UpFacts


def test_facts_survive_a_restart() -> None:
    facts = UpFacts(machine_id="7", actions=["1", "2"], made=["stack n8n"])
    assert isinstance(facts, Facts)
    assert UpFacts.model_validate_json(facts.model_dump_json()) == facts


def test_the_fields_in_the_table_keep_their_names() -> None:
    assert set(MachineFacts.model_fields) == {
        *("made", "lines", "found", "earlier", "taken", "former", "address_id", "ip_address"),
        *("ipv6_address", "key_id", "machine_id", "actions"),
    }
    assert set(UpFacts.model_fields) == {*MachineFacts.model_fields, "apps"}
