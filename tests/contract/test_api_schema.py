"""The OpenAPI document, tried on a live daemon by schemathesis: no 5xx, no undocumented answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.daemon_process import DaemonProcess, running

SETTINGS = """
[checks.positive_data_acceptance]
# What a provider, a zone or the catalog does not have is told as 422 too: no schema knows it.
expected-statuses = ["2xx", "401", "403", "404", "409", "410", "422", "429"]

[[operations]]
# The true Cloudflare cannot be reached from a test, which is told as the contract says.
include-path = "/api/config/cloudflare"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
checks.positive_data_acceptance.expected-statuses = ["200", "422", "503"]

[[operations]]
# Likewise.
include-path = "/api/config/certificates"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
checks.positive_data_acceptance.expected-statuses = ["200", "422", "503"]

[[operations]]
# It never ends.
include-path = "/api/events"
enabled = false
"""
OPTIONS = (
    "--checks=all", "--mode=all", "--phases=examples,coverage,fuzzing",
    f"--max-examples={os.environ.get('LIVCHAT_SCHEMA_EXAMPLES', '15')}",
    "--generation-deterministic", "--continue-on-failure", "--request-timeout=20", "--no-color",
    "--suppress-health-check=all", "--max-failures=20",
)  # fmt: skip


@pytest.mark.timeout(900)
def test_no_request_breaks_the_daemon_or_the_document(tmp_path: Path) -> None:
    with running(tmp_path / "d", "--tcp", "127.0.0.1:0") as daemon:
        _answered_by_the_sandbox(daemon)
        (tmp_path / "schemathesis.toml").write_text(SETTINGS)
        token = (daemon.home / "config" / "token").read_text().strip()
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run",
                f"http://{daemon.lock['tcp']}/openapi.json",
                "-H", f"Authorization: Bearer {token}", *OPTIONS,
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=840,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
        assert " ERROR " not in daemon.log.read_text()
        assert daemon.request("GET", "/health").status == 200


def _answered_by_the_sandbox(daemon: DaemonProcess) -> None:
    """A token for Hetzner is tried at the sandbox; nothing leaves this machine."""
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    daemon.stop()
    daemon.environment |= {
        "HCLOUD_ENDPOINT": told["hetzner"],
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    daemon.start()
