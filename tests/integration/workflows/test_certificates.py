"""Certificates by either challenge, with the token of a zone, against the sandbox's Cloudflare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.integrations.test_dns_propagation import HOSTS, UP, add, said, step

SETUP = {"zone_name": "example.com", "subdomain": "lab", "ssl_email": "ops@example.com"}
STACK = "/var/lib/livchat/stacks/traefik.yml"


def new_token(daemon: DaemonProcess, zone: str = "example.com") -> str:
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    return str(daemon.sandbox(f"tokens/{zone}", "POST")["token"])


def keep(daemon: DaemonProcess, token: str, **more: Any) -> Any:
    order = {"zone_name": "example.com", "token": token, "provider": "sandbox", **more}
    return daemon.request("POST", "/api/config/certificates", order)


def run(daemon: DaemonProcess, command: str) -> dict[str, Any]:
    found: dict[str, Any] = daemon.request("POST", "/api/servers/a/exec", {"command": command}).json
    return found


def traefik(daemon: DaemonProcess) -> tuple[str, list[str]]:
    """The challenge that Traefik is told to take, and the Docker secrets that it has."""
    stack = yaml.safe_load(run(daemon, f"cat {STACK}")["stdout"])
    command = " ".join(stack["services"]["traefik"]["command"])
    challenge = "dns" if "dnschallenge.provider=cloudflare" in command else "http"
    assert (challenge == "http") == ("httpchallenge" in command)
    assert (challenge == "dns") == ("domains[0].sans=*.lab.example.com" in command)
    return challenge, [secret["name"] for secret in (stack.get("secrets") or {}).values()]


def up(daemon: DaemonProcess, **more: Any) -> dict[str, Any]:
    job = daemon.wait(daemon.submit("POST", "/api/up", {**UP, **more}))
    assert job["status"] == "completed", job
    return job


def set_up(daemon: DaemonProcess, **more: Any) -> dict[str, str]:
    """Set the server up; the steps that changed something, or had to."""
    job = daemon.wait(daemon.submit("POST", "/api/servers/a/setup", {**SETUP, **more}))
    assert job["status"] == "completed", job
    return {one["name"]: one["status"] for one in job["steps"]}


def has_secret(daemon: DaemonProcess, name: str) -> bool:
    return bool(run(daemon, f"docker secret inspect {name}")["exit_code"] == 0)


def test_without_a_certificate_token_the_challenge_is_http(daemon: DaemonProcess) -> None:
    up(daemon)
    assert traefik(daemon) == ("http", [])
    assert daemon.request("GET", "/api/servers/a").json["challenge"] == "http-01"


def test_the_account_s_own_credential_is_no_certificate_token(daemon: DaemonProcess) -> None:
    refused = daemon.request("POST", "/api/up", {**UP, "challenge": "dns-01"})
    assert (refused.status, refused.json["code"]) == (503, "not_configured")
    assert "livchat config certificates example.com" in refused.json["hint"]
    assert daemon.request("GET", "/api/servers").json["total"] == 0


def test_a_certificate_token_is_taken_kept_rotated_and_removed(daemon: DaemonProcess) -> None:
    first = new_token(daemon)
    assert keep(daemon, first).json["data"]["other_zones"] == []
    up(daemon)
    challenge, (secret,) = traefik(daemon)
    assert (challenge, has_secret(daemon, secret)) == ("dns", True)

    again = set_up(daemon)
    assert again["Deploy Traefik"] == "skipped"

    assert keep(daemon, new_token(daemon)).status == 200
    rotated = set_up(daemon)
    assert (rotated["Deploy Traefik"], rotated["Deploy Portainer"]) == ("completed", "skipped")
    challenge, (other,) = traefik(daemon)
    assert (challenge, other != secret) == ("dns", True)
    assert (has_secret(daemon, secret), has_secret(daemon, other)) == (False, True)

    by_http = set_up(daemon, challenge="http-01")
    assert (by_http["Deploy Traefik"], by_http["Deploy Portainer"]) == ("completed", "skipped")
    assert (traefik(daemon), has_secret(daemon, other)) == (("http", []), False)

    # The choice is remembered: it is not automatic any more.
    assert set_up(daemon)["Deploy Traefik"] == "skipped"
    assert traefik(daemon) == ("http", [])
    set_up(daemon, challenge="auto")
    assert traefik(daemon) == ("dns", [other])


def test_a_token_that_was_revoked_is_told_before_anything_is_changed(
    daemon: DaemonProcess,
) -> None:
    keep(daemon, new_token(daemon))
    up(daemon)
    daemon.sandbox("tokens/example.com", "DELETE")
    refused = daemon.request("POST", "/api/servers/a/setup", SETUP)
    assert refused.status == 422
    assert refused.json["error"].startswith("challenge: the certificate token of example.com does")
    assert daemon.request("GET", "/api/servers/a").json["status"] == "ready"
    set_up(daemon, challenge="http-01")


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("a-token-of-nobody-at-all", "Cloudflare refuses it"),
        ("0123456789abcdef0123456789abcdef01234", "global API key"),
    ],
)
def test_a_wrong_token_is_not_kept(daemon: DaemonProcess, token: str, told: str) -> None:
    refused = keep(daemon, token)
    assert (refused.status, told in refused.json["error"]) == (422, True)
    assert token not in json.dumps(refused.json)
    assert "certificates/" not in json.dumps(daemon.request("GET", "/api/secrets").json)


def test_a_token_of_another_zone_is_not_kept(daemon: DaemonProcess) -> None:
    refused = keep(daemon, new_token(daemon, "livchat.localhost"))
    assert (refused.status, "does not open example.com" in refused.json["error"]) == (422, True)


def test_the_trial_leaves_no_record(daemon: DaemonProcess) -> None:
    token = new_token(daemon)
    assert keep(daemon, token).status == 200
    assert daemon.sandbox("status")["dns_records"] == []


def test_the_token_is_only_in_the_vault_and_in_the_swarm(daemon: DaemonProcess) -> None:
    token = new_token(daemon)
    keep(daemon, token)
    job = up(daemon)
    assert token not in json.dumps(job)
    assert token not in run(daemon, f"cat {STACK}")["stdout"]
    assert token not in json.dumps(daemon.request("GET", "/api/secrets").json)
    state = daemon.home / "state"
    held = [
        path.relative_to(state).parts[0]
        for path in daemon.home.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    ]
    # The sandbox is the one that gave it, and the swarm that keeps it.
    assert set(held) == {"sandbox"}


def test_a_wildcard_is_held_to_its_own_rules_and_to_no_address(daemon: DaemonProcess) -> None:
    keep(daemon, new_token(daemon))
    add(daemon, "CAA", "example.com", '0 issue "letsencrypt.org"')
    add(daemon, "CAA", "example.com", '0 issuewild "digicert.com"')
    job = daemon.wait(daemon.submit("POST", "/api/up", UP))
    assert (job["status"], step(job)["status"]) == ("failed", "failed")
    assert "wildcard" in job["error"]
    assert 'issuewild "letsencrypt.org"' in job["hint"]
    add(daemon, "CAA", "example.com", '0 issuewild "letsencrypt.org"')
    again = daemon.wait(daemon.submit("POST", f"/api/jobs/{job['job_id']}/retry"))
    assert again["status"] == "completed", again


def test_an_address_elsewhere_is_only_a_warning_for_a_wildcard(tmp_path: Path) -> None:
    """The name server that is asked is of another account, which has one record more."""
    with running(tmp_path / "other") as other, running(tmp_path / "own") as daemon:
        keep(daemon, new_token(daemon))
        up(daemon)
        address = daemon.request("GET", "/api/servers/a").json["ip_address"]
        for host in HOSTS:
            add(other, "A", host, address)
        add(other, "AAAA", HOSTS[0], "2001:db8:ffff::1")
        told = json.loads((other.home / "state" / "sandbox" / "sandbox.json").read_text())
        daemon.stop()
        daemon.environment["LIVCHAT_NAMESERVERS"] = told["dns"]
        daemon.start()
        lines = said(daemon, up(daemon))
        assert [line for line in lines if f"{HOSTS[0]} has an AAAA record that leads else" in line]
        failed = daemon.wait(daemon.submit("POST", "/api/up", {**UP, "challenge": "http-01"}))
        assert (failed["status"], "AAAA" in failed["error"]) == ("failed", True)
