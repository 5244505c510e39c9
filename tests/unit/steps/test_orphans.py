"""What belongs to a server that is known here, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from livchat.wire.servers import ServerStatus
from livchatd.doctor import findings as tell
from livchatd.installation import Home, read_comment
from livchatd.integrations.cloudflare import Record
from livchatd.providers.base import Thing, ThingKind
from livchatd.steps.orphans import Known, stray_record, stray_thing
from livchatd.storage.inventory import ServerRecord

HERE = Home("3f9a1c2b", "2026-01-01T00:00:00.000000Z")
LONG = "a" * 63
LATER, EARLIER = "2026-02-01T00:00:00Z", "2025-12-01T00:00:00Z"


def server(name: str, **more: Any) -> ServerRecord:
    told = {"provider": "hetzner", "status": ServerStatus.READY, "created_at": LATER, **more}
    return ServerRecord(name=name, **told)


def here(*servers: ServerRecord, busy: tuple[str, ...] = (), apps: tuple[str, ...] = ()) -> Known:
    """These servers, each with these apps."""
    names = [one.name for one in servers]
    return Known(
        dict(zip(names, servers, strict=True)), dict.fromkeys(names, apps), frozenset(busy)
    )


def thing(kind: ThingKind, name: str, thing_id: str = "7", created: str = LATER) -> Thing:
    return Thing(kind, thing_id, f"livchat-{name}", HERE.labels(name, "job_1"), created)


def record(server: str, app: str, content: str = "192.0.2.1") -> Record:
    return Record("r1", f"{app}.example.com", "A", content, HERE.owner(server, app), LATER)


def judged(found: Record, known: Known, account: str = "cloudflare") -> Any:
    said = read_comment(found.comment)
    assert said is not None
    return stray_record(found, said, account, known)


@pytest.mark.parametrize("kind", ["machine", "address", "key"])
def test_what_a_known_server_has_belongs(kind: ThingKind) -> None:
    web = server("web", machine_id="7", address_id="7")
    assert stray_thing(thing(kind, "web"), "hetzner", here(web)) is None
    assert stray_thing(thing(kind, "web"), "hetzner", here()) is not None
    assert stray_thing(thing(kind, "web"), "hetzner", here(busy=("web",))) is None
    # A server that is lost before it knew what was bought for it is deleted by its labels.
    lost = server("web", status=ServerStatus.LOST)
    assert stray_thing(thing(kind, "web"), "hetzner", here(lost)) is None


def test_a_second_machine_and_one_at_another_provider_are_strays() -> None:
    web = server("web", machine_id="7", address_id="8")
    second = stray_thing(thing("machine", "web", "9"), "hetzner", here(web))
    assert second is not None
    assert second.why == "the server 'web' has another machine"
    elsewhere = stray_thing(thing("machine", "web"), "sandbox", here(web))
    assert elsewhere is not None
    assert elsewhere.why == "the server 'web' here is at hetzner"


@pytest.mark.parametrize("name", ["web", LONG])
def test_a_record_belongs_to_an_app_that_is_there(name: str) -> None:
    known = here(server(name, ip_address="192.0.2.1"), apps=("n8n",))
    assert judged(record(name, "n8n"), known) is None
    assert judged(record(name, "chatwoot"), known).severity == "warning"
    assert judged(record(name, "chatwoot"), here(known.servers[name], busy=(name,))) is None
    assert judged(record(name[:-1], "n8n", "192.0.2.9"), known).severity == "error"


def test_a_record_that_points_elsewhere_is_pointed_back() -> None:
    known = here(server("web", ip_address="192.0.2.2"), apps=("n8n",))
    found = judged(record("web", "n8n"), known)
    assert (found.mend, found.severity) == ("point", "error")
    nowhere = here(server("web"), apps=("n8n",))
    assert judged(record("web", "n8n"), nowhere) is None


def test_the_sandboxs_names_are_not_the_users() -> None:
    toy = here(server("web", provider="sandbox", ip_address="192.0.2.1"), apps=("n8n",))
    assert judged(record("web", "n8n"), toy, "sandbox") is None
    assert judged(record("web", "n8n"), toy, "cloudflare") is not None


def test_a_job_that_began_or_ended_during_the_look_makes_no_finding() -> None:
    found, web = thing("machine", "web"), server("web", machine_id="7")
    assert tell.thing(found, "hetzner", HERE, here(), here(web)) is None
    assert tell.thing(found, "hetzner", HERE, here(web), here()) is None
    assert tell.thing(found, "hetzner", HERE, here(), here(busy=("web",))) is None
    assert tell.thing(found, "hetzner", HERE, here(), here()) is not None


def test_a_finding_says_which_job_left_it_behind_and_is_mended_by_its_labels() -> None:
    made = tell.thing(thing("machine", "web"), "hetzner", HERE, here(), here())
    assert made is not None
    finding, order = made
    assert order.labels == HERE.labels("web")
    assert (finding.id, finding.job_id, finding.named_only) == ("hetzner/machine/7", "job_1", False)
    told = tell.with_job(finding, {"machine livchat-web at hetzner": "job_2"})
    assert told.job_id == "job_2"
    assert told.why.endswith("; job_2 left it behind")
    assert tell.with_job(finding, {"machine livchat-web at sandbox": "job_2"}) == finding


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (90.0, "it is 90 s behind that of hetzner"),
        (-3600.0, "it is 3600 s ahead of that of hetzner"),
    ],
)
def test_a_clock_that_is_wrong_is_told(ahead: float, said: str) -> None:
    found = tell.clock("hetzner", ahead)
    assert found is not None
    assert found.why == said


@pytest.mark.parametrize("ahead", [None, 0.0, 59.0, -59.0])
def test_a_clock_that_is_right_is_not(ahead: float | None) -> None:
    assert tell.clock("hetzner", ahead) is None


def test_what_is_older_than_the_table_is_never_mended_with_the_others() -> None:
    made = tell.thing(thing("machine", "web", created=EARLIER), "hetzner", HERE, here(), here())
    assert made is not None
    assert made[0].named_only
    assert "restore" in made[0].why
