"""A step of the mending, between the look and the deed: what has changed meanwhile is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from livchat.wire.servers import ServerStatus
from livchatd.installation import Home
from livchatd.integrations.cloudflare import CloudflareDns, Dns
from livchatd.providers.hetzner.provider import Hetzner
from livchatd.steps.deps import Tools
from livchatd.steps.repair import DeleteThing, MendLearnt, MendRecord, RecordOrder, ThingOrder
from livchatd.storage.database import Database, now
from livchatd.storage.inventory import AppRecord, Inventory, ServerRecord
from tests.contract.sandbox_process import SandboxProcess, running
from tests.integration.strangers import ANOTHER, Strangers, marked

HERE = Home("3f9a1c2b")
PARTS: Any = dict.fromkeys(("vault", "catalog", "shells", "portainer", "probe", "lookup"))


@dataclass
class Noting:
    """What a step sees of its job, without one."""

    learnt: MendLearnt = field(default_factory=MendLearnt)
    job_id: str = "job"
    origin: str = "job"
    attempt: int = 1
    lines: list[str] = field(default_factory=list)

    async def save(self) -> None:
        """Nothing outlives a test."""

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {message}")

    def progress(self, done: float, total: float, unit: str) -> None:
        """Nobody watches."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
async def tools(process: SandboxProcess, tmp_path: Path) -> AsyncIterator[Tools]:
    process.control("reset", "POST")
    process.wait_until_it_listens()
    database = Database(tmp_path / "livchat.db")
    told = process.address
    cloud = Hetzner(SecretStr(told["token"]), told["hetzner"], poll=0.01)
    account = CloudflareDns(told["cloudflare"], SecretStr(told["cloudflare_token"]))

    async def dns(_: str) -> Dns:
        return account

    yield Tools(
        providers={"hetzner": cloud}, inventory=Inventory(database), home=HERE, dns=dns, **PARTS
    )
    await cloud.close()
    await account.close()
    await database.close()


async def known(tools: Tools, name: str, **more: Any) -> None:
    record = ServerRecord(
        name=name, provider="hetzner", status=ServerStatus.READY, created_at=now(), **more
    )
    await tools.inventory.add_server(record)


async def deployed(tools: Tools, server: str) -> None:
    app = {"app_name": "n8n", "instance": "n8n", "version": "1", "status": "running"}
    record = AppRecord.model_validate({**app, "deployed_at": now()})
    await tools.inventory.put_app(server, record)


def deletion(tools: Tools, thing_id: str, labels: dict[str, str], *busy: str) -> DeleteThing:
    order = ThingOrder(
        finding=f"hetzner/address/{thing_id}",
        provider="hetzner",
        kind="address",
        thing_id=thing_id,
        labels={key: value for key, value in labels.items() if key != "livchat.job"},
    )
    return DeleteThing(key="address.1", tools=tools, busy=lambda: busy, order=order)


async def test_what_belongs_to_nothing_still_is_deleted_and_seen_gone(
    tools: Tools, process: SandboxProcess
) -> None:
    labels = marked(HERE.id, "ghost")
    step, run = deletion(tools, Strangers(process.address).address("a", labels), labels), Noting()
    assert not await step.check(run)
    assert step.leaves(run) == [step.order.finding]
    await step.apply(run)
    await step.verify(run)
    assert run.learnt == MendLearnt(mended=[step.order.finding])
    assert step.leaves(run) == []
    # Killed before its end was written, it finds it gone.
    assert await step.check(Noting())
    assert process.status()["primary_ips"] == []


async def test_what_belongs_to_a_server_by_now_is_left(
    tools: Tools, process: SandboxProcess
) -> None:
    labels = marked(HERE.id, "ghost")
    address = Strangers(process.address).address("a", labels)
    await known(tools, "ghost", address_id=address)
    step, run = deletion(tools, address, labels), Noting()
    assert await step.check(run)
    assert run.learnt.kept == {step.order.finding: "it belongs to a server by now"}
    assert run.lines == ["warning: it is left as it is: it belongs to a server by now"]
    assert len(process.status()["primary_ips"]) == 1


async def test_what_a_job_is_at_work_on_is_left(tools: Tools, process: SandboxProcess) -> None:
    labels = marked(HERE.id, "ghost")
    address, run = Strangers(process.address).address("a", labels), Noting()
    assert await deletion(tools, address, labels, "ghost").check(run)
    assert list(run.learnt.kept.values()) == ["it belongs to a server by now"]


async def test_what_says_by_now_that_it_is_anothers_is_left(
    tools: Tools, process: SandboxProcess
) -> None:
    strangers, labels = Strangers(process.address), marked(HERE.id, "ghost")
    address, run = strangers.address("a", labels), Noting()
    bound = strangers.cloud.primary_ips.get_by_id(int(address))
    bound.update(labels=marked(ANOTHER, "ghost"))
    assert await deletion(tools, address, labels).check(run)
    assert list(run.learnt.kept.values()) == ["its labels have changed"]


def record(tools: Tools, strangers: Strangers, comment: str, *, point: bool = False) -> MendRecord:
    made = strangers.record("n8n.example.com", "203.0.113.9", comment, "example.com")
    order = RecordOrder(
        finding=f"cloudflare/record/{made}",
        account="cloudflare",
        zone_id=strangers.zones["example.com"],
        record_id=made,
        name="n8n.example.com",
        comment=comment,
        mend="point" if point else "delete",
    )
    return MendRecord(key="record.1", tools=tools, busy=tuple, order=order)


async def test_a_record_of_an_app_that_is_there_by_now_is_left(
    tools: Tools, process: SandboxProcess
) -> None:
    step = record(tools, Strangers(process.address), HERE.owner("web", "n8n"))
    run = Noting()
    assert not await step.check(run)
    await known(tools, "web", ip_address="203.0.113.9")
    await deployed(tools, "web")
    assert await step.check(run)
    assert list(run.learnt.kept.values()) == ["it belongs to a server by now"]


async def test_a_record_whose_server_has_moved_again_follows_it(
    tools: Tools, process: SandboxProcess
) -> None:
    await known(tools, "web", ip_address="198.18.0.1")
    await deployed(tools, "web")
    step = record(tools, Strangers(process.address), HERE.owner("web", "n8n"), point=True)
    run = Noting()
    assert not await step.check(run)
    await tools.inventory.change_server("web", ip_address="198.18.0.2")
    await step.apply(run)
    await step.verify(run)
    assert [one["content"] for one in process.status()["dns_records"]] == ["198.18.0.2"]
    assert await step.check(Noting())


async def test_a_record_that_somebody_took_over_is_left(
    tools: Tools, process: SandboxProcess
) -> None:
    strangers = Strangers(process.address)
    step, run = record(tools, strangers, HERE.owner("web", "n8n")), Noting()
    strangers.dns.dns.records.edit(
        step.order.record_id, zone_id=step.order.zone_id, name=step.order.name, type="A",
        ttl=1, content="203.0.113.9", comment="mine now",
    )  # fmt: skip
    assert await step.check(run)
    assert list(run.learnt.kept.values()) == ["its comment has changed"]
