"""A step of the repair, between the scan and its work: what has changed meanwhile is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from livchatd.steps.facts import RepairFacts
from livchatd.steps.params import RecordRepair, ResourceRepair
from livchatd.steps.repair import DeleteResource, RepairRecord
from tests.contract.sandbox_process import SandboxProcess, running
from tests.integration.strangers import ANOTHER, Strangers, marked
from tests.integration.workflows.steps_alone import HERE, LoneContext, Parts, parts


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
async def given(process: SandboxProcess, tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(process, tmp_path) as found:
        yield found


def context() -> LoneContext[RepairFacts]:
    return LoneContext(RepairFacts())


def deletion(
    given: Parts, resource_id: str, labels: dict[str, str], *active: str
) -> DeleteResource:
    params = ResourceRepair(
        finding=f"hetzner/address/{resource_id}",
        provider="hetzner",
        kind="address",
        thing_id=resource_id,
        labels={key: value for key, value in labels.items() if key != "livchat.job"},
    )
    return DeleteResource(
        given.inventory, lambda: active, HERE, params, given.registry, key="address.1"
    )


async def test_what_belongs_to_nothing_still_is_deleted_and_seen_gone(
    given: Parts, process: SandboxProcess
) -> None:
    labels = marked(HERE.id, "ghost")
    step, job = deletion(given, Strangers(process.address).address("a", labels), labels), context()
    assert not await step.check(job)
    assert step.leftovers(job) == [step.params.finding]
    await step.apply(job)
    await step.verify(job)
    assert job.facts == RepairFacts(mended=[step.params.finding])
    assert step.leftovers(job) == []
    # Killed before its end was written, it finds it gone.
    assert await step.check(context())
    assert process.status()["primary_ips"] == []


async def test_what_belongs_to_a_server_by_now_is_left(
    given: Parts, process: SandboxProcess
) -> None:
    labels = marked(HERE.id, "ghost")
    address = Strangers(process.address).address("a", labels)
    await given.add_server("ghost", address_id=address)
    step, job = deletion(given, address, labels), context()
    assert await step.check(job)
    assert job.facts.kept == {step.params.finding: "it belongs to a server by now"}
    assert job.lines == ["warning: it is left as it is: it belongs to a server by now"]
    assert len(process.status()["primary_ips"]) == 1


async def test_what_a_job_is_at_work_on_is_left(given: Parts, process: SandboxProcess) -> None:
    labels = marked(HERE.id, "ghost")
    address, job = Strangers(process.address).address("a", labels), context()
    assert await deletion(given, address, labels, "ghost").check(job)
    assert list(job.facts.kept.values()) == ["it belongs to a server by now"]


async def test_what_says_by_now_that_it_is_anothers_is_left(
    given: Parts, process: SandboxProcess
) -> None:
    strangers, labels = Strangers(process.address), marked(HERE.id, "ghost")
    address, job = strangers.address("a", labels), context()
    bound = strangers.cloud.primary_ips.get_by_id(int(address))
    bound.update(labels=marked(ANOTHER, "ghost"))
    assert await deletion(given, address, labels).check(job)
    assert list(job.facts.kept.values()) == ["its labels have changed"]


def record(
    given: Parts, strangers: Strangers, comment: str, *, point: bool = False
) -> RepairRecord:
    made = strangers.record("n8n.example.com", "203.0.113.9", comment, "example.com")
    params = RecordRepair(
        finding=f"cloudflare/record/{made}",
        account="cloudflare",
        zone_id=strangers.zones["example.com"],
        record_id=made,
        name="n8n.example.com",
        comment=comment,
        mend="point" if point else "delete",
    )
    return RepairRecord(given.inventory, tuple, HERE, params, given.dns, key="record.1")


async def test_a_record_of_an_app_that_is_there_by_now_is_left(
    given: Parts, process: SandboxProcess
) -> None:
    step = record(given, Strangers(process.address), HERE.record_comment("web", "n8n"))
    job = context()
    assert not await step.check(job)
    await given.add_server("web", ip_address="203.0.113.9")
    await given.add_app("web")
    assert await step.check(job)
    assert list(job.facts.kept.values()) == ["it belongs to a server by now"]


async def test_a_record_whose_server_has_moved_again_follows_it(
    given: Parts, process: SandboxProcess
) -> None:
    await given.add_server("web", ip_address="198.18.0.1")
    await given.add_app("web")
    step = record(given, Strangers(process.address), HERE.record_comment("web", "n8n"), point=True)
    job = context()
    assert not await step.check(job)
    await given.inventory.change_server("web", ip_address="198.18.0.2")
    await step.apply(job)
    await step.verify(job)
    assert [one["content"] for one in process.status()["dns_records"]] == ["198.18.0.2"]
    assert await step.check(context())


async def test_a_record_that_somebody_took_over_is_left(
    given: Parts, process: SandboxProcess
) -> None:
    strangers = Strangers(process.address)
    step, job = record(given, strangers, HERE.record_comment("web", "n8n")), context()
    strangers.dns.dns.records.edit(
        step.params.record_id, zone_id=step.params.zone_id, name=step.params.name, type="A",
        ttl=1, content="203.0.113.9", comment="mine now",
    )  # fmt: skip
    assert await step.check(job)
    assert list(job.facts.kept.values()) == ["its comment has changed"]
