"""What an undo takes away: what its own job made, and nothing that looks like it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from livchatd.steps.apps.dns_records import CreateDnsRecords
from livchatd.steps.facts import JobFacts, MachineFacts
from livchatd.steps.params import AppParams, CreateServerParams
from livchatd.steps.server.machine import CreateMachine, RegisterKey, ReserveAddress
from livchatd.steps.site import Site
from tests.contract.sandbox_process import SandboxProcess, running
from tests.integration.strangers import ANOTHER, Strangers, marked
from tests.integration.workflows.steps_alone import HERE, LoneContext, Parts, parts

ZONE = "example.com"
ADDRESS = "203.0.113.9"
CREATE = CreateServerParams(
    name="web", provider="hetzner", server_type="cx23", region="nbg1", image="debian-13"
)
SITE = Site(
    server="web",
    provider="hetzner",
    zone_name=ZONE,
    subdomain=None,
    ssl_email="ops@example.com",
    timezone="UTC",
)
N8N = AppParams(
    app_name="n8n",
    title="n8n",
    hosts={"editor": f"edt.{ZONE}", "webhook": f"whk.{ZONE}"},
)
UNUSED: Any = None


class NoShells:
    """Shells on servers that nobody connects to."""

    async def drop(self, server: str) -> None:
        """There is no connection."""


NO_SHELLS: Any = NoShells()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
async def given(process: SandboxProcess, tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(process, tmp_path) as found:
        yield found


def creation(given: Parts) -> tuple[ReserveAddress, RegisterKey, CreateMachine]:
    """The steps of a creation that buy something."""
    common = (CREATE, given.registry, HERE)
    return (
        ReserveAddress(*common, ZONE, given.inventory, given.dns, key="address"),
        RegisterKey(*common, given.inventory, UNUSED, key="ssh_key"),
        CreateMachine(*common, ZONE, given.inventory, given.dns, UNUSED, NO_SHELLS, key="machine"),
    )


def names(process: SandboxProcess, kind: str) -> list[str]:
    return sorted(one["name"] for one in process.status()[kind])


def contents(process: SandboxProcess) -> dict[str, str]:
    """What each record says, by its name."""
    return {one["name"]: one["content"] for one in process.status()["dns_records"]}


async def test_what_another_installation_bought_for_a_server_of_that_name_stays(
    given: Parts, process: SandboxProcess
) -> None:
    """Even where it is the same job: a folder that was copied has its jobs too."""
    await given.add_server("web")
    strangers, labels = Strangers(process.address), marked(ANOTHER, "web")
    strangers.machine("theirs", labels)
    strangers.address("theirs", labels)
    strangers.key("theirs", labels)
    for step in creation(given):
        await step.undo(LoneContext(MachineFacts()))
    assert names(process, "servers") == ["theirs"]
    assert "theirs" in names(process, "primary_ips")
    assert names(process, "ssh_keys") == ["theirs"]


async def test_what_another_job_bought_for_the_server_stays(
    given: Parts, process: SandboxProcess
) -> None:
    await given.add_server("web")
    strangers, labels = Strangers(process.address), marked(HERE.id, "web")
    strangers.machine("earlier", {**labels, "livchat.job": "job_0"})
    strangers.machine("ours", labels)
    for step in creation(given):
        await step.undo(LoneContext(MachineFacts()))
    assert names(process, "servers") == ["earlier"]


async def test_records_at_an_address_go_with_it_and_the_servers_others_stay(
    given: Parts, process: SandboxProcess
) -> None:
    await given.add_server("web")
    strangers, ours = Strangers(process.address), HERE.record_comment("web", "n8n")
    strangers.record(f"gone.{ZONE}", ADDRESS, ours, ZONE)
    strangers.record(f"elsewhere.{ZONE}", "203.0.113.1", ours, ZONE)
    strangers.record(f"theirs.{ZONE}", ADDRESS, f"livchat:{ANOTHER}:web:n8n", ZONE)
    strangers.record(f"prefix.{ZONE}", ADDRESS, HERE.record_comment("web2", "n8n"), ZONE)
    address, *_ = creation(given)
    await address.undo(LoneContext(MachineFacts(ip_address=ADDRESS)))
    assert contents(process).keys() == {
        f"{name}.{ZONE}" for name in ("elsewhere", "theirs", "prefix")
    }


async def test_a_record_that_was_there_before_the_job_stays(
    given: Parts, process: SandboxProcess
) -> None:
    await given.add_server("web", ip_address=ADDRESS)
    strangers = Strangers(process.address)
    # An earlier deployment of the app made one of its two records.
    strangers.record(f"edt.{ZONE}", ADDRESS, HERE.record_comment("web", "n8n"), ZONE)
    strangers.record(f"chat.{ZONE}", ADDRESS, HERE.record_comment("web", "chatwoot"), ZONE)
    step = CreateDnsRecords(N8N, SITE, given.inventory, given.dns, key="n8n.names")
    job = LoneContext(JobFacts())
    await step.apply(job)
    await step.verify(job)
    assert contents(process).keys() == {f"{name}.{ZONE}" for name in ("edt", "whk", "chat")}
    assert step.leftovers(job) == [f"record whk.{ZONE}"]
    await step.undo(job)
    assert contents(process).keys() == {f"{name}.{ZONE}" for name in ("edt", "chat")}
    await step.undo(job)
    assert contents(process).keys() == {f"{name}.{ZONE}" for name in ("edt", "chat")}
