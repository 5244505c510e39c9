"""A sample of the fault matrix, by the benchmark's own code; faults as a person sets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults import Matrix, prepared, recorded, run, sampled
from benchmarks.rig.fault_cells import COMMANDS, SERVER, wake
from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import differences

SAMPLE, SEED = 12, 20261125
Json = dict[str, Any]


@pytest.mark.timeout(240)
def test_a_sample_of_the_matrix_breaks_no_promise(tmp_path: Path) -> None:
    every = recorded(tmp_path / "clean")
    services = {cell.service for cell in every}
    assert services == {"hetzner", "cloudflare", "portainer", "ssh"}
    assert {cell.command for cell in every} == set(COMMANDS)
    # What is remembered for a minute needs a daemon of its own for each cell.
    matrix = Matrix(sampled([cell for cell in every if not cell.fresh], SAMPLE, SEED))
    run(matrix, tmp_path, SEED, workers=2)
    assert [(one.cell, one.broken) for one in matrix.outcomes if one.broken] == []
    assert len(matrix.outcomes) == SAMPLE


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("route", "fault"), [("POST /primary_ips", "timeout_after"), ("POST /servers", "lost")]
)
def test_what_was_bought_without_an_answer_is_adopted(
    tmp_path: Path, route: str, fault: str
) -> None:
    with running(prepared(tmp_path / "livchat")) as daemon:
        wake(daemon)
        rule = {"service": "hetzner", "route": route, "fault": fault}
        daemon.sandbox("faults", "PUT", {"faults": [rule]})
        job = _created(daemon)
        assert job["status"] == "completed", job
        assert daemon.sandbox("faults")["faults"][0]["fired"] == 1
        assert differences(daemon) == []


@pytest.mark.timeout(120)
def test_what_is_sold_out_gives_its_address_back_and_what_is_refused_names_the_credential(
    tmp_path: Path,
) -> None:
    with running(prepared(tmp_path / "livchat")) as daemon:
        wake(daemon)
        for fault, code, hint in (
            ("resource_unavailable", "sold_out", "livchat provider types"),
            ("wrong_token", "unauthorized", "livchat config provider hetzner"),
        ):
            rule = {"service": "hetzner", "route": "POST /servers", "fault": fault, "times": None}
            daemon.sandbox("faults", "PUT", {"faults": [rule]})
            job = _created(daemon)
            assert (job["status"], job["error_code"], job["hint"]) == ("failed", code, hint)
            assert daemon.sandbox("faults")["faults"][0]["fired"] == 1, "it was tried again"
            assert (job["rollback"], job["left_behind"]) == ("clean", [])
            assert daemon.sandbox("status")["bill_monthly"] == "0.00"
            assert differences(daemon) == []


@pytest.mark.timeout(120)
def test_a_refusal_of_minutes_is_told_at_once_where_somebody_waits_for_the_choice(
    tmp_path: Path,
) -> None:
    order = {"apps": ["redis"], "server": SERVER, "provider": "sandbox"}
    with running(prepared(tmp_path / "livchat")) as daemon:
        wake(daemon)
        rule = {"service": "cloudflare", "route": "*", "fault": "rate_limited", "times": None}
        daemon.sandbox("faults", "PUT", {"faults": [rule]})
        answer = daemon.request("POST", "/api/up", {**order, "zone_name": "livchat.localhost"})
        assert (answer.status, answer.json["code"]) == (429, "rate_limited"), answer.raw
        # Asked once: the vendor's library would have sat it out while a terminal showed nothing.
        assert daemon.sandbox("faults")["faults"][0]["fired"] == 1
        assert daemon.request("GET", "/api/jobs").json["total"] == 0
        assert daemon.sandbox("status")["bill_monthly"] == "0.00"


def _created(daemon: DaemonProcess) -> Json:
    order = {"name": SERVER, "provider": "sandbox"}
    return daemon.wait(daemon.submit("POST", "/api/servers", order))


def _livchat(daemon: DaemonProcess, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livchat", "sandbox", "faults", *words],
        env=daemon.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.timeout(120)
def test_a_person_sets_faults_reads_them_and_clears_them(tmp_path: Path) -> None:
    with running(tmp_path / "livchat") as daemon:
        before = _livchat(daemon)
        assert before.returncode != 0
        assert "there is no sandbox yet" in before.stderr
        wake(daemon)
        assert "resource_unavailable" in _livchat(daemon).stdout
        text = "hetzner:POST /servers:resource_unavailable:always"
        told = _livchat(daemon, text, "ssh:docker *:slow:3", "-o", "json")
        rules = json.loads(told.stdout)["faults"]
        assert [(rule["route"], rule["times"]) for rule in rules] == [
            ("POST /servers", None),
            ("docker *", 3),
        ]
        assert _created(daemon)["error_code"] == "sold_out"
        assert "POST /servers" in _livchat(daemon).stdout
        for wrong in (
            "hetzner:POST /servers",
            "hetzner:*:flood",
            "aws:*:reset",
            "hetzner:*:reset:0",
        ):
            refused = _livchat(daemon, wrong)
            assert refused.returncode == 2, wrong
            assert "livchat sandbox faults" in refused.stderr
        assert json.loads(_livchat(daemon, "--clear", "-o", "json").stdout)["faults"] == []
        assert _created(daemon)["status"] == "completed"
