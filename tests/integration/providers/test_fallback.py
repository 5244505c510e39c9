"""Prices that are agreed to before anything is bought, and what is taken where it is sold out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import differences

CREATE = {"name": "a", "provider": "sandbox", "server_type": "cx23", "region": "nbg1"}
UP = {
    "apps": ["n8n"],
    "server": "a",
    "provider": "sandbox",
    "zone_name": "livchat.localhost",
    "subdomain": "lab",
    "server_type": "cx23",
    "region": "nbg1",
}


def known(daemon: DaemonProcess) -> None:
    """Let the daemon know what there is now: it remembers that for a minute."""
    answer = daemon.request("POST", "/api/servers?plan=true", CREATE)
    assert answer.status == 200, answer.raw


def sell_out(daemon: DaemonProcess, *offers: str) -> None:
    for offer in offers:
        server_type, _, location = offer.partition("@")
        daemon.sandbox(f"stock/{server_type}/{location}/out", "POST")


def bought(daemon: DaemonProcess, job: dict[str, Any]) -> tuple[str, str]:
    """What the cloud, the record and the job's result all say was bought."""
    (server,) = daemon.sandbox("status")["servers"]
    there = (server["server_type"], server["location"])
    for told in (daemon.request("GET", "/api/servers/a").json, job["result"]["server"]):
        assert (told["server_type"], told["region"], told["ip_address"]) == (*there, server["ip"])
    return there


def test_a_plan_of_a_server_tells_its_price_and_does_nothing(daemon: DaemonProcess) -> None:
    fallback = [{"server_type": "cpx22"}, {"server_type": "cax11", "region": "fsn1"}]
    answer = daemon.request("POST", "/api/servers?plan=true", {**CREATE, "fallback": fallback})
    plan = answer.json
    assert (answer.status, plan["price_monthly"], plan["price_hourly"]) == (
        200,
        "7.1281",
        "0.011424",
    )
    told = [(one["server_type"], one["region"]) for one in plan["fallback"]]
    assert told == [("cpx22", "nbg1"), ("cax11", "fsn1")]
    assert all(one["price_monthly"] and one["price_hourly"] for one in plan["fallback"])
    assert (plan["apps"], plan["sold_out"], plan["server"]["exists"]) == ([], [], False)
    assert daemon.request("GET", "/api/servers").json["total"] == 0
    assert daemon.request("GET", "/api/jobs").json["total"] == 0


def test_what_is_sold_out_is_told_with_what_is_taken_for_it(daemon: DaemonProcess) -> None:
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    sell_out(daemon, "cx23@nbg1", "cpx22@nbg1")
    order = {**CREATE, "fallback": [{"server_type": "cpx22"}, {"region": "hel1"}]}
    plan = daemon.request("POST", "/api/servers?plan=true", order).json
    assert (plan["server"]["server_type"], plan["server"]["region"]) == ("cx23", "hel1")
    assert [one["server_type"] for one in plan["sold_out"]] == ["cx23", "cpx22"]
    job = daemon.wait(daemon.submit("POST", "/api/servers", order))
    assert bought(daemon, job) == ("cx23", "hel1")
    assert [told.split(" (")[0] for told in job["result"]["server"]["instead_of"]] == [
        "cx23 at nbg1",
        "cpx22 at nbg1",
    ]


def test_without_a_fallback_a_refused_order_fails_and_names_what_there_is(
    daemon: DaemonProcess,
) -> None:
    known(daemon)
    sell_out(daemon, "cx23@nbg1")
    job = daemon.wait(daemon.submit("POST", "/api/servers", CREATE))
    assert (job["status"], job["error_code"], job["rollback"]) == ("failed", "sold_out", "clean")
    assert "cx23 at nbg1 cannot be had now; to be had: cx23 at fsn1, hel1 (7.13 EUR" in job["error"]
    assert daemon.sandbox("status")["primary_ips"] == []
    assert daemon.request("GET", "/api/servers").json["total"] == 0


def test_a_refused_order_takes_the_next_that_can_be_had_and_says_so(
    daemon: DaemonProcess,
) -> None:
    known(daemon)
    sell_out(daemon, "cx23@nbg1", "cpx22@nbg1")
    fallback = [{"server_type": "cpx22"}, {"server_type": "cax11"}, {"region": "hel1"}]
    job = daemon.wait(daemon.submit("POST", "/api/servers", {**CREATE, "fallback": fallback}))
    assert job["status"] == "completed", job
    assert bought(daemon, job) == ("cax11", "nbg1")
    record = daemon.request("GET", "/api/servers/a").json
    assert record["price_monthly"] == job["result"]["server"]["price_monthly"] == "5.9381"
    assert [told.split(" (")[0] for told in job["result"]["server"]["instead_of"]] == [
        "cx23 at nbg1",
        "cpx22 at nbg1",
    ]
    said = [line["message"] for line in job["logs"] if line["level"] == "warning"]
    assert "cax11 at nbg1 (5.94 EUR a month) is taken instead" in said[1]
    assert "1.19 EUR a month less" in said[1]


def test_another_location_has_an_address_of_its_own_and_every_name_points_at_it(
    daemon: DaemonProcess,
) -> None:
    known(daemon)
    sell_out(daemon, "cx23@nbg1")
    job = daemon.wait(daemon.submit("POST", "/api/up", {**UP, "fallback": [{"region": "hel1"}]}))
    assert job["status"] == "completed", job
    assert bought(daemon, job) == ("cx23", "hel1")
    world = daemon.sandbox("status")
    (ip,) = [one["ip"] for one in world["primary_ips"] if one["type"] == "ipv4"]
    assert {record["content"] for record in world["dns_records"]} == {ip}
    assert differences(daemon) == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.2, 0.4, 0.7])
def test_a_daemon_killed_on_its_way_to_the_fallback_buys_one_server(tmp_path, seconds):
    from time import sleep  # noqa: TID251 - a kill at some instant waits for it

    with running(tmp_path / "livchat", scale=0.01) as daemon:
        known(daemon)
        sell_out(daemon, "cx23@nbg1", "cpx22@nbg1")
        fallback = [{"server_type": "cpx22"}, {"region": "hel1"}]
        job_id = daemon.submit("POST", "/api/up", {**UP, "fallback": fallback})
        sleep(seconds)
        daemon.kill()
        daemon.start()
        job = daemon.wait(job_id)
        assert job["status"] == "completed", job
        assert bought(daemon, job) == ("cx23", "hel1")
        assert differences(daemon) == []


def test_a_cancel_after_the_move_leaves_nothing(tmp_path):
    with running(tmp_path / "livchat", scale=0.05) as daemon:
        known(daemon)
        sell_out(daemon, "cx23@nbg1")
        job_id = daemon.submit("POST", "/api/up", {**UP, "fallback": [{"region": "hel1"}]})
        for event in daemon.client.job_events(job_id):
            step = event.data.get("step") or {}
            if (step.get("name"), step.get("status")) == ("Create the machine", "completed"):
                break
        daemon.request("DELETE", f"/api/jobs/{job_id}")
        job = daemon.wait(job_id)
        assert (job["status"], job["left_behind"]) == ("cancelled", []), job
        world = daemon.sandbox("status")
        assert (world["servers"], world["primary_ips"], world["dns_records"]) == ([], [], [])


@pytest.mark.parametrize(
    ("fallback", "field"),
    [
        ([{"server_type": "cx9999"}], "fallback"),
        ([{"region": "mars1"}], "fallback"),
        ([{}], "fallback.0"),
    ],
)
def test_a_fallback_that_never_can_be_had_is_refused_at_once(daemon, fallback, field):
    answer = daemon.request("POST", "/api/servers", {**CREATE, "fallback": fallback})
    assert answer.status == 422, answer.raw
    assert answer.json["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize(("path", "order"), [("/api/servers", CREATE), ("/api/up", UP)])
def test_what_is_not_what_was_agreed_to_is_refused(daemon, path, order):
    order = {key: value for key, value in order.items() if key != "region"}
    agreed = daemon.request("POST", f"{path}?plan=true", order).json
    sell_out(daemon, "cx23@fsn1")
    daemon.restart()
    refused = daemon.request("POST", path, {**order, "plan_hash": agreed["hash"]})
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "cx23 at" in refused.json["error"]
    assert daemon.request("GET", "/api/jobs").json["total"] == 0
    again = daemon.request("POST", f"{path}?plan=true", order).json
    assert (
        daemon.wait(daemon.submit("POST", path, {**order, "plan_hash": again["hash"]}))["status"]
        == "completed"
    )
