"""Every workflow's list of steps is a graph that the engine can run and a person can read."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pytest

from livchatd.jobs.step import Step, Workflow
from livchatd.providers.base import ResourceKind
from livchatd.steps.deps import AppDeps, ServerDeps
from livchatd.steps.params import (
    AddServerParams,
    AppParams,
    CreateServerParams,
    DeleteAppParams,
    DeleteServerParams,
    DeployAppParams,
    JobParams,
    RecordRepair,
    RepairParams,
    ResourceRepair,
    SetupServerParams,
    UpParams,
)
from livchatd.workflows.registry import workflows

CREATE = CreateServerParams(
    name="prod-01", provider="sandbox", server_type="cx23", region="nbg1", image="debian-13"
)
SETUP = SetupServerParams(
    name="prod-01",
    provider="sandbox",
    zone_name="example.com",
    subdomain="lab",
    ssl_email="ops@example.com",
    timezone="UTC",
)
APPS = [
    AppParams(app_name="postgres", title="PostgreSQL"),
    AppParams(app_name="redis", title="Redis"),
    AppParams(
        app_name="n8n",
        title="n8n",
        hosts={
            "editor": "edt.lab.example.com",
            "webhook": "whk.lab.example.com",
            "webhook_test": "whk.lab.example.com",
        },
        needs=["postgres", "redis"],
    ),
    AppParams(
        app_name="chatwoot",
        title="Chatwoot",
        hosts={"web": "chat.lab.example.com"},
        needs=["postgres"],
    ),
]
SITE = {
    "server": "prod-01",
    "provider": "sandbox",
    "zone_name": "example.com",
    "subdomain": "lab",
    "ssl_email": "ops@example.com",
    "timezone": "UTC",
}
KINDS: tuple[tuple[str, ResourceKind], ...] = (
    ("1", "key"),
    ("2", "address"),
    ("3", "machine"),
    ("4", "machine"),
)
PARAMS: dict[str, JobParams] = {
    "create_server": CREATE,
    "add_server": AddServerParams(
        name="prod-01", host="web.example.com", ip_address="203.0.113.7", port=22, user="root"
    ),
    "setup_server": SETUP,
    "deploy_app": DeployAppParams.model_validate({**SITE, "apps": APPS}),
    "up": UpParams(server=CREATE, setup=SETUP, apps=APPS),
    "delete_app": DeleteAppParams(
        server="prod-01", provider="sandbox", app_name="n8n", title="n8n", purge=True
    ),
    "mend": RepairParams(
        things=[
            ResourceRepair(finding=f"f/{n}", provider="hetzner", kind=kind, thing_id=n, labels={})
            for n, kind in KINDS
        ],
        records=[
            RecordRepair(
                finding=f"r/{n}",
                account="cloudflare",
                zone_id="z",
                record_id=n,
                name="n8n.example.com",
                comment="livchat:3f9a1c2b:a:n8n",
                mend="delete",
            )
            for n in ("a1b2c3d4", "e5f6a7b8")
        ],
    ),
    "delete_server": DeleteServerParams(name="prod-01", provider="sandbox"),
}


def without_parts(group: type[Any]) -> Any:
    """A group of parts that are not there.

    A list of steps is made without them: a daemon that resumes a thousand jobs makes a thousand.
    """
    return group(**{field.name: None for field in fields(group)})


def all_workflows() -> dict[str, Workflow[Any, Any]]:
    made = workflows(without_parts(ServerDeps), without_parts(AppDeps), tuple)
    return {workflow.name: workflow for workflow in made}


def steps_of(name: str, params: JobParams | None = None) -> Sequence[Step[Any]]:
    return all_workflows()[name].steps(params or PARAMS[name])


def before(steps: Sequence[Step[Any]], key: str) -> set[str]:
    """The keys of all steps that are done before this one begins."""
    by_key = {step.key: step for step in steps}
    found: set[str] = set()
    ahead = list(by_key[key].after)
    while ahead:
        key = ahead.pop()
        if key not in found:
            found.add(key)
            ahead += by_key[key].after
    return found


def test_every_workflow_is_tried_here() -> None:
    assert set(all_workflows()) == set(PARAMS)


@pytest.mark.parametrize("name", PARAMS)
def test_titles_and_keys_are_unique(name: str) -> None:
    steps = steps_of(name)
    assert len({step.key for step in steps}) == len(steps)
    assert len({step.title for step in steps}) == len(steps)


@pytest.mark.parametrize("name", PARAMS)
def test_a_step_names_only_steps_before_it(name: str) -> None:
    seen: set[str] = set()
    for step in steps_of(name):
        assert set(step.after) <= seen, step.key
        assert step.part_of is None or step.part_of in seen, step.key
        seen.add(step.key)


@pytest.mark.parametrize("name", PARAMS)
def test_a_step_that_stands_for_another_can_be_undone(name: str) -> None:
    steps = {step.key: step for step in steps_of(name)}
    for step in steps.values():
        if step.part_of:
            assert type(steps[step.part_of]).undo is not Step.undo, step.key


@pytest.mark.parametrize("name", PARAMS)
def test_every_step_has_a_title_in_plain_words(name: str) -> None:
    for step in steps_of(name):
        assert step.title[0].isupper()
        assert "_" not in step.title
        assert len(step.title) <= 80
        assert not step.title.endswith(".")


def test_a_failed_create_undoes_all_of_it() -> None:
    assert {step.rollback_group for step in steps_of("create_server")} == {"server"}


def test_a_failed_set_up_or_deployment_keeps_what_is_done() -> None:
    for name in ("setup_server", "deploy_app"):
        assert {step.rollback_group for step in steps_of(name)} == {None}
    groups = {step.key: step.rollback_group for step in steps_of("up")}
    assert [key for key, group in groups.items() if group] == [
        step.key for step in steps_of("create_server")
    ]


def test_a_failed_name_does_not_take_the_server_along_but_goes_with_its_address() -> None:
    names = next(step for step in steps_of("up") if step.key == "n8n.names")
    assert names.rollback_group is None
    assert names.part_of == "address"


def test_names_are_made_before_the_machine_is_there() -> None:
    done = before(steps_of("up"), "n8n.names")
    assert "address" in done
    assert not {"machine", "boot", "ssh", "docker"} & done


def test_names_are_checked_before_the_stack_and_beside_the_set_up() -> None:
    steps = steps_of("up")
    assert "n8n.dns" in before(steps, "n8n.stack")
    done = before(steps, "n8n.dns")
    # An order that is refused may move the server to another address.
    assert {"n8n.names", "machine"} <= done
    assert not {"boot", "ssh", "docker"} & done


def test_images_are_fetched_while_the_swarm_starts() -> None:
    done = before(steps_of("up"), "n8n.images")
    assert "docker" in done
    assert not {"swarm", "portainer", "traefik"} & done


def test_databases_that_do_not_need_each_other_go_side_by_side() -> None:
    steps = steps_of("up")
    assert "redis.stack" not in before(steps, "postgres.app")
    assert "postgres.stack" not in before(steps, "redis.app")
    assert "n8n.stack" not in before(steps, "chatwoot.app")
    assert "n8n.secrets" in before(steps, "chatwoot.secrets")


def test_an_app_waits_for_what_it_needs_and_only_for_that() -> None:
    steps = steps_of("deploy_app")
    assert {"postgres.app", "redis.app"} <= before(steps, "n8n.databases")
    assert "redis.app" not in before(steps, "chatwoot.app")


def test_an_app_is_recorded_only_when_people_reach_it() -> None:
    assert {"n8n.answers", "traefik", "n8n.names", "portainer_answers"} <= before(
        steps_of("up"), "n8n.app"
    )


def test_names_go_before_the_address_that_they_point_at() -> None:
    assert "names" in before(steps_of("delete_server"), "address")


def test_what_is_mended_goes_in_the_order_in_which_nothing_points_at_a_stranger() -> None:
    steps = steps_of("mend")
    assert {"record.1", "record.2", "machine.1", "machine.2"} <= before(steps, "address.1")
    assert before(steps, "machine.1") == {"record.1", "record.2"}


def test_an_own_machine_is_never_deleted() -> None:
    own = DeleteServerParams(name="prod-01", provider="own")
    assert [step.key for step in steps_of("delete_server", own)] == ["mark", "names", "forget"]


def test_data_is_deleted_only_when_asked_for() -> None:
    kept = DeleteAppParams(server="prod-01", provider="sandbox", app_name="n8n", title="n8n")
    assert "data" not in [step.key for step in steps_of("delete_app", kept)]
    assert "data" in [step.key for step in steps_of("delete_app")]


OF_EVERY_STEP = {field.name for field in fields(Step)}


@pytest.mark.parametrize("name", PARAMS)
def test_a_step_is_given_what_it_uses_and_nothing_else(name: str) -> None:
    for step in steps_of(name):
        code = "".join(
            inspect.getsource(kind)
            for kind in type(step).__mro__
            if kind.__module__.startswith("livchatd.steps.")
        )
        given = {field.name for field in fields(step)} - OF_EVERY_STEP
        assert {part for part in given if f"self.{part}" not in code} == set(), type(step)
        assert not any("Deps" in str(field.type) for field in fields(step)), type(step)


@pytest.mark.parametrize("name", PARAMS)
def test_every_step_says_what_it_brings_about(name: str) -> None:
    for step in steps_of(name):
        assert type(step).__dict__.get("__doc__"), type(step)
