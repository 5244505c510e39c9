"""Two installations in one cloud project and one DNS account: neither touches the other's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import holdings
from tests.integration.strangers import home_of

UP = {
    "apps": ["n8n"],
    "server": "demo",
    "provider": "sandbox",
    "zone_name": "livchat.localhost",
    "subdomain": "lab",
}
SERVER = {"name": "demo", "provider": "sandbox", "region": "nbg1"}


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[DaemonProcess, DaemonProcess]]:
    """Two daemons, two homes, one sandbox."""
    with running(tmp_path / "one") as one:
        one.request("GET", "/api/providers/locations?provider=sandbox")
        (tmp_path / "two" / "state").mkdir(parents=True, mode=0o700)
        (tmp_path / "two" / "state" / "sandbox").symlink_to(one.home / "state" / "sandbox")
        with running(tmp_path / "two") as two:
            yield one, two


def test_a_server_of_the_same_name_is_a_conflict_that_names_the_other(
    homes: tuple[DaemonProcess, DaemonProcess],
) -> None:
    one, two = homes
    assert ended(one, "POST", "/api/up", UP)["status"] == "completed"
    assert home_of(one) != home_of(two)
    before = one.sandbox("status")
    job = ended(two, "POST", "/api/servers", SERVER)
    assert (job["status"], job["error_code"]) == ("failed", "conflict"), job
    assert f"another installation of LivChat ({home_of(one)})" in job["error"]
    assert (job["rollback"], job["left_behind"]) == ("clean", [])
    assert two.request("GET", "/api/servers").json["total"] == 0
    assert same(one.sandbox("status"), before)
    assert look(one)["healthy"]

    seen = look(two)
    assert (seen["healthy"], seen["findings"]) == (True, [])
    assert {one["home"] for one in seen["foreign"]} == {home_of(one)}
    named = sorted(one["kind"] for one in seen["foreign"])
    assert named == ["foreign_address", "foreign_key", "foreign_machine", *["foreign_record"] * 2]
    nothing = two.request("POST", "/api/doctor", {})
    assert nothing.status == 409
    assert same(one.sandbox("status"), before)


def test_a_name_that_leads_to_the_others_app_is_a_conflict_and_stays(
    homes: tuple[DaemonProcess, DaemonProcess],
) -> None:
    one, two = homes
    assert ended(one, "POST", "/api/up", UP)["status"] == "completed"
    records = one.sandbox("status")["dns_records"]
    job = ended(two, "POST", "/api/up", {**UP, "server": "other"})
    assert (job["status"], job["error_code"]) == ("failed", "conflict"), job
    assert f"n8n on 'demo' of another installation of LivChat ({home_of(one)})" in job["error"]
    assert one.sandbox("status")["dns_records"] == records
    assert ended(two, "DELETE", "/api/servers/other")["status"] == "completed"
    assert one.sandbox("status")["dns_records"] == records
    assert holdings(one)["servers"] == ["demo"]
    assert look(one)["healthy"]
    assert look(two)["healthy"]


def test_each_deletes_only_its_own(homes: tuple[DaemonProcess, DaemonProcess]) -> None:
    one, two = homes
    assert ended(one, "POST", "/api/up", UP)["status"] == "completed"
    mine = {**UP, "server": "other", "subdomain": "two"}
    assert ended(two, "POST", "/api/up", mine)["status"] == "completed"
    assert ended(one, "DELETE", "/api/servers/demo")["status"] == "completed"
    left = holdings(two)
    assert left["servers"] == ["other"]
    assert left["records"] == ["edt.two.livchat.localhost", "whk.two.livchat.localhost"]
    assert left["keys"] == ["livchat-other"]
    assert look(two)["healthy"]
    seen = look(one)
    assert (seen["healthy"], {each["home"] for each in seen["foreign"]}) == (True, {home_of(two)})
    assert ended(two, "DELETE", "/api/servers/other")["status"] == "completed"
    assert not any(holdings(one).values())
    assert look(one)["foreign"] == []


def test_a_cancelled_job_undoes_its_own_and_not_the_others(
    homes: tuple[DaemonProcess, DaemonProcess],
) -> None:
    """The name is free again for the other installation, at once."""
    one, two = homes
    job_id = one.submit("POST", "/api/servers", SERVER)
    one.request("DELETE", f"/api/jobs/{job_id}")
    assert one.wait(job_id)["status"] in {"cancelled", "completed"}
    if one.request("GET", "/api/servers").json["total"]:
        assert ended(one, "DELETE", "/api/servers/demo")["status"] == "completed"
    assert ended(two, "POST", "/api/servers", SERVER)["status"] == "completed"
    assert holdings(one)["servers"] == ["demo"]
    assert look(one)["findings"] == []


def ended(daemon: DaemonProcess, method: str, path: str, body: Any = None) -> dict[str, Any]:
    return daemon.wait(daemon.submit(method, path, body))


def look(daemon: DaemonProcess) -> dict[str, Any]:
    found: dict[str, Any] = daemon.request("GET", "/api/doctor", timeout=60).json
    return found


def same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the cloud holds what it held."""
    kinds = ("servers", "primary_ips", "ssh_keys", "dns_records", "stacks")
    return all(now[kind] == before[kind] for kind in kinds)
