"""Which resources and DNS records belong to a known server, and which are orphans."""

from __future__ import annotations

from typing import Any

import pytest

from livchat.wire.servers import ServerStatus
from livchatd.doctor import findings
from livchatd.installation import Installation, read_comment
from livchatd.integrations.dns import Record
from livchatd.providers.base import Owner, Resource, ResourceKind
from livchatd.steps.orphans import KnownState, orphaned_record, orphaned_resource
from livchatd.steps.params import ResourceRepair
from livchatd.storage.inventory import ServerRecord

HERE = Installation("3f9a1c2b", "2026-01-01T00:00:00.000000Z")
LONG = "a" * 63
LATER, EARLIER = "2026-02-01T00:00:00Z", "2025-12-01T00:00:00Z"


def server(name: str, **more: Any) -> ServerRecord:
    fields = {"provider": "hetzner", "status": ServerStatus.READY, "created_at": LATER, **more}
    return ServerRecord(name=name, **fields)


def here(
    *servers: ServerRecord, busy: tuple[str, ...] = (), apps: tuple[str, ...] = ()
) -> KnownState:
    """These servers, each with these apps."""
    names = [one.name for one in servers]
    return KnownState(
        dict(zip(names, servers, strict=True)), dict.fromkeys(names, apps), frozenset(busy)
    )


def resource(
    kind: ResourceKind, name: str, resource_id: str = "7", created: str = LATER
) -> Resource:
    return Resource(kind, resource_id, f"livchat-{name}", Owner(HERE.id, name, "job_1"), created)


def record(server: str, app: str, content: str = "192.0.2.1") -> Record:
    return Record("r1", f"{app}.example.com", "A", content, HERE.record_comment(server, app), LATER)


def orphan_of(found: Record, known: KnownState, account: str = "cloudflare") -> Any:
    comment = read_comment(found.comment)
    assert comment is not None
    return orphaned_record(found, comment, account, known)


@pytest.mark.parametrize("kind", ["machine", "address", "key"])
def test_what_a_known_server_has_belongs(kind: ResourceKind) -> None:
    web = server("web", machine_id="7", address_id="7")
    assert orphaned_resource(resource(kind, "web"), "hetzner", here(web)) is None
    assert orphaned_resource(resource(kind, "web"), "hetzner", here()) is not None
    assert orphaned_resource(resource(kind, "web"), "hetzner", here(busy=("web",))) is None
    # A server that is lost before it knew what was bought for it is deleted by its labels.
    lost = server("web", status=ServerStatus.LOST)
    assert orphaned_resource(resource(kind, "web"), "hetzner", here(lost)) is None


def test_a_second_machine_and_one_at_another_provider_are_orphans() -> None:
    web = server("web", machine_id="7", address_id="8")
    second = orphaned_resource(resource("machine", "web", "9"), "hetzner", here(web))
    assert second is not None
    assert second.why == "the server 'web' has another machine"
    elsewhere = orphaned_resource(resource("machine", "web"), "sandbox", here(web))
    assert elsewhere is not None
    assert elsewhere.why == "the server 'web' here is at hetzner"


@pytest.mark.parametrize("name", ["web", LONG])
def test_a_record_belongs_to_an_app_that_is_there(name: str) -> None:
    known = here(server(name, ip_address="192.0.2.1"), apps=("n8n",))
    assert orphan_of(record(name, "n8n"), known) is None
    assert orphan_of(record(name, "chatwoot"), known).severity == "warning"
    assert orphan_of(record(name, "chatwoot"), here(known.servers[name], busy=(name,))) is None
    assert orphan_of(record(name[:-1], "n8n", "192.0.2.9"), known).severity == "error"


def test_a_record_that_points_elsewhere_is_pointed_back() -> None:
    known = here(server("web", ip_address="192.0.2.2"), apps=("n8n",))
    found = orphan_of(record("web", "n8n"), known)
    assert (found.mend, found.severity) == ("point", "error")
    nowhere = here(server("web"), apps=("n8n",))
    assert orphan_of(record("web", "n8n"), nowhere) is None


def test_the_sandboxs_names_are_not_the_users() -> None:
    toy = here(server("web", provider="sandbox", ip_address="192.0.2.1"), apps=("n8n",))
    assert orphan_of(record("web", "n8n"), toy, "sandbox") is None
    assert orphan_of(record("web", "n8n"), toy, "cloudflare") is not None


def test_a_job_that_began_or_ended_during_the_look_makes_no_finding() -> None:
    found, web = resource("machine", "web"), server("web", machine_id="7")
    assert findings.resource_finding(found, "hetzner", HERE, here(), here(web)) is None
    assert findings.resource_finding(found, "hetzner", HERE, here(web), here()) is None
    assert findings.resource_finding(found, "hetzner", HERE, here(), here(busy=("web",))) is None
    assert findings.resource_finding(found, "hetzner", HERE, here(), here()) is not None


def test_a_finding_says_which_job_left_it_behind_and_is_mended_by_its_labels() -> None:
    made = findings.resource_finding(resource("machine", "web"), "hetzner", HERE, here(), here())
    assert made is not None
    finding = made.finding
    assert isinstance(made.repair, ResourceRepair)
    assert made.repair.labels == {
        "livchat.managed": "true", "livchat.home": HERE.id, "livchat.server": "web",
    }  # fmt: skip
    assert made.repair.owner == Owner(HERE.id, "web")
    assert (finding.id, finding.job_id, finding.named_only) == ("hetzner/machine/7", "job_1", False)
    left = made.with_job({"machine livchat-web at hetzner": "job_2"})
    assert left.finding.job_id == "job_2"
    assert left.finding.why.endswith("; job_2 left it behind")
    assert left.repair == made.repair
    assert made.with_job({"machine livchat-web at sandbox": "job_2"}) == made


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (90.0, "it is 90 s behind that of hetzner"),
        (-3600.0, "it is 3600 s ahead of that of hetzner"),
    ],
)
def test_a_clock_that_is_wrong_is_told(ahead: float, said: str) -> None:
    found = findings.clock_finding("hetzner", ahead)
    assert found is not None
    assert found.finding.why == said


@pytest.mark.parametrize("ahead", [None, 0.0, 59.0, -59.0])
def test_a_clock_that_is_right_is_not(ahead: float | None) -> None:
    assert findings.clock_finding("hetzner", ahead) is None


def test_what_is_older_than_the_table_is_never_mended_with_the_others() -> None:
    made = findings.resource_finding(
        resource("machine", "web", created=EARLIER), "hetzner", HERE, here(), here()
    )
    assert made is not None
    assert made.finding.named_only
    assert "restore" in made.finding.why
