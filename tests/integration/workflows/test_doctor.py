"""The doctor: it names what belongs to nothing and mends just that, over real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import sleep  # noqa: TID251 - a job's step is waited for, in a bounded loop
from typing import Any

import pytest

from tests.contract.sandbox_process import running as sandbox_running
from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import holdings
from tests.integration.strangers import ANOTHER, JOB, Strangers, beside, home_of, marked

UP = {
    "apps": ["n8n"],
    "server": "demo",
    "provider": "sandbox",
    "zone_name": "livchat.localhost",
    "subdomain": "lab",
}
EDITOR = "edt.lab.livchat.localhost"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose sandbox runs, and which has made nothing in it."""
    with running(tmp_path / "livchat") as started:
        started.request("GET", "/api/providers/locations?provider=sandbox")
        yield started


def look(daemon: DaemonProcess) -> dict[str, Any]:
    answer = daemon.request("GET", "/api/doctor", timeout=60)
    assert answer.status == 200, answer.raw
    found: dict[str, Any] = answer.json
    return found


def kinds(found: list[dict[str, Any]]) -> dict[str, str]:
    return {one["id"]: one["kind"] for one in found}


def mend(daemon: DaemonProcess, *findings: str) -> dict[str, Any]:
    body = {"findings": list(findings)} if findings else {}
    return daemon.wait(daemon.submit("POST", "/api/doctor", body))


def scatter(strangers: Strangers, home: str) -> dict[str, str]:
    """Things of this installation that belong to nothing; what each must be found as."""
    return {
        f"sandbox/machine/{strangers.machine('ghost', marked(home, 'ghost'))}": "orphan_machine",
        f"sandbox/address/{strangers.address('ghost', marked(home, 'ghost'))}": "orphan_address",
        f"sandbox/key/{strangers.key('livchat-ghost', marked(home, 'ghost'))}": "orphan_key",
        f"sandbox/record/{strangers.record('old.livchat.localhost', '203.0.113.9', f'livchat:{home}:ghost:n8n')}": "orphan_record",  # noqa: E501
    }


def beside_it(strangers: Strangers) -> dict[str, str]:
    """Things of another installation, of an older version and of the user."""
    strangers.key("laptop", {})
    strangers.machine("the-users", {"team": "web"})
    strangers.record("www.livchat.localhost", "203.0.113.7", "made by hand")
    theirs = f"livchat:{ANOTHER}:theirs:n8n"
    return {
        f"sandbox/machine/{strangers.machine('theirs', marked(ANOTHER, 'theirs'))}": "foreign_machine",  # noqa: E501
        f"sandbox/key/{strangers.key('older', marked(None, 'older'))}": "foreign_key",
        f"sandbox/record/{strangers.record('theirs.livchat.localhost', '203.0.113.8', theirs)}": "foreign_record",  # noqa: E501
        f"sandbox/record/{strangers.record('older.livchat.localhost', '203.0.113.8', 'livchat:older:n8n')}": "foreign_record",  # noqa: E501
    }


def test_it_names_exactly_what_belongs_to_nothing_and_mends_exactly_that(
    daemon: DaemonProcess,
) -> None:
    strangers = beside(daemon)
    theirs = beside_it(strangers)
    before = holdings(daemon)
    ours = scatter(strangers, home_of(daemon))
    found = look(daemon)
    assert kinds(found["findings"]) == ours
    assert kinds(found["foreign"]) == theirs
    assert not found["healthy"]
    by_kind = {one["kind"]: one for one in found["findings"]}
    machine = by_kind["orphan_machine"]
    assert (machine["name"], machine["job_id"], machine["currency"]) == ("ghost", JOB, "EUR")
    assert float(machine["price_monthly"]) > float(by_kind["orphan_address"]["price_monthly"]) > 0
    assert machine["since"].endswith("Z")
    assert by_kind["orphan_key"]["severity"] == "warning"
    assert "stranger" in by_kind["orphan_record"]["why"]

    job = mend(daemon)
    assert job["status"] == "completed", job
    assert sorted(job["result"]["mended"]) == sorted(ours)
    assert holdings(daemon) == before
    after = look(daemon)
    assert (after["healthy"], after["findings"]) == (True, [])
    assert kinds(after["foreign"]) == theirs


def test_what_another_installation_made_goes_only_if_it_is_named(daemon: DaemonProcess) -> None:
    strangers = beside(daemon)
    theirs = f"sandbox/machine/{strangers.machine('theirs', marked(ANOTHER, 'theirs'))}"
    refused = daemon.request("POST", "/api/doctor", {})
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert holdings(daemon)["servers"] == ["theirs"]
    assert mend(daemon, theirs)["result"]["mended"] == [theirs]
    assert holdings(daemon)["servers"] == []


def test_only_what_is_named_is_mended(daemon: DaemonProcess) -> None:
    strangers, home = beside(daemon), home_of(daemon)
    one = f"sandbox/address/{strangers.address('one', marked(home, 'one'))}"
    two = f"sandbox/address/{strangers.address('two', marked(home, 'two'))}"
    assert mend(daemon, one)["result"] == {"mended": [one], "left": []}
    assert list(kinds(look(daemon)["findings"])) == [two]
    unknown = daemon.request("POST", "/api/doctor", {"findings": [two, one]})
    assert (unknown.status, unknown.json["code"]) == (404, "not_found")
    for wrong in ([], ["no id"], [f"{one}/../{two}"], "all"):
        assert daemon.request("POST", "/api/doctor", {"findings": wrong}).status == 422


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_job_that_was_killed_while_it_mended_goes_on(tmp_path: Path, done: int) -> None:
    # At this scale a machine takes a while to go.
    with running(tmp_path / "slow", scale=0.2) as daemon:
        daemon.request("GET", "/api/providers/locations?provider=sandbox")
        strangers, home = beside(daemon), home_of(daemon)
        before = holdings(daemon)
        ours = scatter(strangers, home)
        job_id = daemon.submit("POST", "/api/doctor", {})
        job: dict[str, Any] = {"steps_completed": []}
        for _ in range(1200):
            if len(job["steps_completed"]) >= done:
                break
            sleep(0.02)
            job = daemon.request("GET", f"/api/jobs/{job_id}").json
        daemon.kill()
        daemon.start()
        job = daemon.wait(job_id)
        assert job["status"] == "completed", job
        # What a step had deleted when its end was not yet written is found gone.
        assert set(job["result"]["mended"]) <= set(ours)
        assert job["result"]["left"] == []
        assert holdings(daemon) == before
        assert look(daemon)["healthy"]


def test_after_the_loss_of_the_table_servers_are_mended_by_name_only(
    daemon: DaemonProcess,
) -> None:
    assert daemon.wait(daemon.submit("POST", "/api/up", UP))["status"] == "completed"
    before, home = holdings(daemon), home_of(daemon)
    daemon.stop()
    for path in (daemon.home / "state").glob("livchat.db*"):
        path.unlink()
    sleep(1.1)  # A provider tells times to the second.
    daemon.start()
    assert home_of(daemon) == home
    found = look(daemon)
    assert {one["kind"] for one in found["findings"]} == {
        "orphan_machine", "orphan_address", "orphan_key", "orphan_record",
    }  # fmt: skip
    assert all(one["named_only"] for one in found["findings"])
    assert daemon.request("POST", "/api/doctor", {}).status == 409
    assert holdings(daemon) == before
    names = [one["id"] for one in found["findings"]]
    assert sorted(mend(daemon, *names)["result"]["mended"]) == sorted(names)
    assert look(daemon)["healthy"]


def test_a_record_that_points_elsewhere_is_pointed_back(daemon: DaemonProcess) -> None:
    assert daemon.wait(daemon.submit("POST", "/api/up", UP))["status"] == "completed"
    address = daemon.request("GET", "/api/servers/demo").json["ip_address"]
    found = look(daemon)
    assert (found["healthy"], found["findings"], found["foreign"]) == (True, [], [])
    record = beside(daemon).repoint(EDITOR, "203.0.113.77")
    found = look(daemon)
    assert kinds(found["findings"]) == {f"sandbox/record/{record}": "astray_record"}
    assert found["findings"][0]["mend"] == "point"
    assert mend(daemon)["result"]["mended"] == [f"sandbox/record/{record}"]
    records = daemon.sandbox("status")["dns_records"]
    assert {one["content"] for one in records} == {address}
    assert look(daemon)["healthy"]


def test_after_delete_nothing_of_ours_is_left_anywhere(daemon: DaemonProcess) -> None:
    assert daemon.wait(daemon.submit("POST", "/api/up", UP))["status"] == "completed"
    assert daemon.wait(daemon.submit("DELETE", "/api/servers/demo/apps/n8n"))["status"] == (
        "completed"
    )
    found = look(daemon)
    assert (found["healthy"], found["foreign"]) == (True, [])
    assert daemon.sandbox("status")["dns_records"] == []
    assert daemon.wait(daemon.submit("DELETE", "/api/servers/demo"))["status"] == "completed"
    found = look(daemon)
    assert (found["healthy"], found["findings"], found["foreign"]) == (True, [], [])
    assert not any(holdings(daemon).values())
    assert daemon.request("GET", "/api/servers").json["total"] == 0


def test_a_server_whose_machine_is_gone_is_told_and_deleted_as_a_server(
    daemon: DaemonProcess,
) -> None:
    made = daemon.submit("POST", "/api/servers", {"name": "demo", "provider": "sandbox"})
    assert daemon.wait(made)["status"] == "completed"
    strangers = beside(daemon)
    strangers.server("demo").delete()
    found = look(daemon)
    assert kinds(found["findings"]) == {"sandbox/server/demo": "lost_server"}
    lost = found["findings"][0]
    assert (lost["mend"], lost["hint"]) == (None, "livchat server delete demo")
    # Its address is still there, and costs.
    assert float(lost["price_monthly"]) > 0
    refused = daemon.request("POST", "/api/doctor", {"findings": ["sandbox/server/demo"]})
    assert (refused.status, refused.json["hint"]) == (409, "livchat server delete demo")
    assert daemon.wait(daemon.submit("DELETE", "/api/servers/demo"))["status"] == "completed"
    assert look(daemon)["healthy"]
    assert not any(holdings(daemon).values())


def test_a_machine_without_our_labels_is_told_and_never_deleted(daemon: DaemonProcess) -> None:
    made = daemon.submit("POST", "/api/servers", {"name": "demo", "provider": "sandbox"})
    assert daemon.wait(made)["status"] == "completed"
    strangers = beside(daemon)
    strangers.server("demo").update(labels={"team": "web"})
    assert kinds(look(daemon)["findings"]) == {"sandbox/server/demo": "unmarked_server"}
    job = daemon.wait(daemon.submit("DELETE", "/api/servers/demo"))
    assert (job["status"], job["error_code"]) == ("failed", "conflict")
    assert "does not carry the labels" in job["error"]
    assert holdings(daemon)["servers"] == ["demo"]


def test_what_a_job_is_making_is_no_finding(tmp_path: Path) -> None:
    # At this scale a machine takes seconds to boot.
    with running(tmp_path / "slow", scale=0.3) as daemon:
        job_id = daemon.submit("POST", "/api/servers", {"name": "demo", "provider": "sandbox"})
        for _ in range(600):
            job = daemon.request("GET", f"/api/jobs/{job_id}").json
            if "Create the machine" in job["steps_completed"]:
                break
            sleep(0.05)
        assert job["status"] == "running", job
        found = look(daemon)
        assert (found["findings"], found["foreign"]) == ([], [])
        assert daemon.wait(job_id)["status"] == "completed"
        assert look(daemon)["healthy"]


def test_a_second_machine_of_a_server_goes_and_the_servers_own_stays(
    daemon: DaemonProcess,
) -> None:
    strangers, home = beside(daemon), home_of(daemon)
    made = daemon.submit("POST", "/api/servers", {"name": "demo", "provider": "sandbox"})
    assert daemon.wait(made)["status"] == "completed"
    machine = f"sandbox/machine/{strangers.server('demo').id}"
    orphan = f"sandbox/machine/{strangers.machine('extra', marked(home, 'demo'))}"
    assert kinds(look(daemon)["findings"]) == {orphan: "orphan_machine"}
    refused = daemon.request("POST", "/api/doctor", {"findings": [machine]})
    assert refused.status == 404
    assert mend(daemon)["result"]["mended"] == [orphan]
    assert holdings(daemon)["servers"] == ["demo"]


def test_what_is_wrong_on_this_machine_is_found(tmp_path: Path) -> None:
    with running(tmp_path / "livchat") as daemon:
        state = daemon.home / "state"
        state.chmod(0o755)
        (state / "livchat.db").chmod(0o644)
        found = look(daemon)
        assert kinds(found["findings"]) == {"local/open_file/livchat.db": "open_file"}
        assert found["findings"][0]["hint"] == f"chmod go= {state} {state}/livchat.db"
        state.chmod(0o700)
        assert look(daemon)["healthy"]
        (daemon.home / "config" / "vault.json").write_text("{")
        daemon.restart()
        assert kinds(look(daemon)["findings"]) == {
            "local/unreadable_vault/vault": "unreadable_vault"
        }


def test_the_sandbox_is_not_started_for_a_look(tmp_path: Path) -> None:
    with running(tmp_path / "livchat") as daemon:
        found = look(daemon)
        assert (found["healthy"], found["findings"]) == (True, [])
        assert [one["name"] for one in found["checked"]] == ["local"]
        assert not (daemon.home / "state" / "sandbox").exists()


def test_at_hetzner_and_cloudflare_and_where_they_refuse_or_do_not_answer(tmp_path: Path) -> None:
    with sandbox_running(tmp_path / "cloud") as cloud:
        told = cloud.address
        places = {
            "HCLOUD_ENDPOINT": told["hetzner"],
            "CLOUDFLARE_BASE_URL": told["cloudflare"],
        }
        with running(tmp_path / "livchat", **places) as daemon:
            token = {"name": "hetzner", "token": told["token"]}
            assert daemon.request("POST", "/api/config/provider", token).status == 200
            account = {"api_token": told["cloudflare_token"]}
            assert daemon.request("POST", "/api/config/cloudflare", account).status == 200
            strangers, home = Strangers(told), home_of(daemon)
            ours = {
                f"hetzner/address/{strangers.address('a', marked(home, 'a'))}": "orphan_address",
                f"cloudflare/record/{strangers.record('a.example.com', '203.0.113.9', f'livchat:{home}:a:n8n', 'example.com')}": "orphan_record",  # noqa: E501
            }
            assert kinds(look(daemon)["findings"]) == ours
            assert sorted(mend(daemon)["result"]["mended"]) == sorted(ours)
            assert look(daemon)["healthy"]
            assert not (daemon.home / "state" / "sandbox").exists()

            wrong = {"name": "hetzner", "token": "x" * 64, "verify": False}
            assert daemon.request("POST", "/api/config/provider", wrong).status == 200
            found = look(daemon)
            assert kinds(found["findings"]) == {"hetzner/credential/token": "refused_credential"}
            assert found["findings"][0]["hint"] == "livchat config provider hetzner"

            cloud.end()
            found = look(daemon)
            assert {one["name"] for one in found["unreachable"]} == {"hetzner", "cloudflare"}
            assert not found["healthy"]
            gone = daemon.request("POST", "/api/doctor", {"findings": ["hetzner/address/1"]})
            assert (gone.status, gone.json["code"]) == (503, "provider_unavailable")
