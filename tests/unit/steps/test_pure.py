"""What steps work out without asking anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livchatd.installation import Home
from livchatd.jobs.step import Learnt
from livchatd.steps.apps.postgres import identifier, literal
from livchatd.steps.apps.stack_inputs import database_name
from livchatd.steps.apps.stack_watch import _full, _service
from livchatd.steps.deps import Tools
from livchatd.steps.facts import UpLearnt
from livchatd.steps.server.cloud_init import user_data
from livchatd.steps.setup.docker import _plain as unit_part
from livchatd.storage.key_pairs import fingerprint, new_key, public_line


@pytest.mark.parametrize(
    ("replicas", "full"),
    [
        ("1/1", True),
        ("3/3", True),
        ("0/1", False),
        ("2/3", False),
        ("0/0", False),
        ("1/1 (max 1 per node)", True),
        ("0/1 (1/1 completed)", True),
        ("0/1 (0/1 completed)", False),
        ("", False),
    ],
)
def test_a_service_is_up_when_all_its_replicas_run_or_its_job_is_done(
    *, replicas: str, full: bool
) -> None:
    assert _full(replicas) is full


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("n8n_editor.1", "n8n_editor"),
        ("\\_ n8n_editor.1", "n8n_editor"),
        ("a_b.x3k2", "a_b"),
    ],
)
def test_a_task_belongs_to_the_service_that_its_name_says(name: str, service: str) -> None:
    assert _service({"Name": name}) == service


def test_sql_takes_names_and_values_as_they_are() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


def test_a_database_is_named_after_its_app() -> None:
    assert database_name("evolution-api", "db") == "evolution_api"
    assert database_name("dify", "plugin") == "dify_plugin"


def test_a_machine_is_told_its_host_key_and_nothing_of_ours_that_is_secret() -> None:
    host, client = new_key(), new_key()
    text = user_data("prod-01", host, public_line(host), public_line(client))
    first, rest = text.split("\n", 1)
    told = json.loads(rest)
    assert first == "#cloud-config"
    assert told["ssh_keys"]["ed25519_private"] == host
    assert told["ssh_authorized_keys"] == [public_line(client)]
    assert client not in text
    assert len(text.encode()) < 32 * 1024


def test_a_fingerprint_is_the_one_that_people_compare() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBhErLJCgAGjPTmxwwWPqiCIeGX2X8aGdAZvIfHMvZVP"
    told = fingerprint(key)
    assert told.startswith("SHA256:")
    assert len(told) == len("SHA256:") + 43


def test_what_is_bought_carries_its_server_and_its_job() -> None:
    home = Home("3f9a1c2b")
    assert home.labels("prod-01", "job_1") == {**home.labels("prod-01"), "livchat.job": "job_1"}
    assert home.labels("prod-01").items() > Home("other").labels("prod-01").items() - {
        ("livchat.home", "other")
    }


def test_the_name_of_a_unit_holds_nothing_that_an_image_may_bring() -> None:
    assert unit_part("ghcr.io/a_b/c:1.2@sha256:f") == "ghcr.io-a-b-c-1.2-sha256-f"


def test_what_was_learnt_survives_a_restart() -> None:
    learnt = UpLearnt(machine_id="7", actions=["1", "2"], made=["stack n8n"])
    assert isinstance(learnt, Learnt)
    assert UpLearnt.model_validate_json(learnt.model_dump_json()) == learnt


PARTS: Any = dict.fromkeys(
    (
        *("providers", "inventory", "vault", "catalog", "shells", "dns", "portainer", "probe"),
        *("lookup", "home"),
    )
)


async def test_looks_end_after_their_time_and_never_rush() -> None:
    tools = Tools(**PARTS, pace=0)
    looks = [since async for since in tools.looks(0.1)]
    assert looks[0] < 0.1
    assert 2 <= len(looks) <= 25
