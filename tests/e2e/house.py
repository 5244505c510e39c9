"""A daemon that looks after a real machine, with the sandbox's Cloudflare for its names."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any
from urllib.parse import quote

from tests.e2e.images import docker
from tests.e2e.machine import Machine
from tests.e2e.own_apps import lay_out
from tests.integration.daemon_process import ROOT, DaemonProcess
from tests.integration.daemon_process import running as daemon_running

SET_UP = {
    "zone_name": "example.com",
    "subdomain": "lab",
    "ssl_email": "ops@example.com",
    "timezone": "America/Sao_Paulo",
}
JOB = 300.0


def done(job: dict[str, Any]) -> dict[str, Any]:
    """The job, which must have been completed."""
    assert job["status"] == "completed", (job["error"], job["steps"], job["logs"][-20:])
    return job


@dataclass(frozen=True)
class House:
    """The daemon, and the machine that it knows as `box`; the sandbox has its `records`.

    `world` is the container from which visitors come.
    """

    daemon: DaemonProcess
    machine: Machine
    world: str
    authority: Path
    control: tuple[str, str]

    def point_names(self) -> None:
        """Point the world's names of the zone at this machine from now on."""
        docker("exec", self.world, "point", self.machine.ip)

    def add(self, **otherwise: Any) -> dict[str, Any]:
        """`livchat server add box`; the job once it has ended."""
        body = {"name": "box", "provider": "own", "host": self.machine.ip, "user": "root"}
        body |= {"private_key": self.machine.key, **otherwise}
        return self.daemon.wait(self.daemon.submit("POST", "/api/servers", body), JOB)

    def begin(self) -> str:
        """Start the set-up; the job's id."""
        return self.daemon.submit("POST", "/api/servers/box/setup", SET_UP)

    def set_up(self) -> dict[str, Any]:
        """Set it up; the job once it has ended."""
        return self.daemon.wait(self.begin(), JOB)

    def deploy(self, app: str) -> dict[str, Any]:
        """Deploy an app with what it needs; the job once it has ended."""
        order = {"app_name": app}
        return self.daemon.wait(self.daemon.submit("POST", "/api/servers/box/apps", order), JOB)

    def livchat(self, *words: str, within: float = 300) -> tuple[int, str, str]:
        """The command line, as a person has it: its exit status, stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "-m", "livchat", *words],
            env=self.daemon.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=within,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def site(self, host: str, path: str = "/", password: str | None = None) -> tuple[int, str]:
        """What a host name answers over HTTPS; `SSLError` if it has no good certificate."""
        headers = {"Host": host}
        if password is not None:
            login = base64.b64encode(f"livchat:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        connection = _Https(host, self.machine.front, self.authority)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def secret(self, key: str) -> str:
        """The value of a secret."""
        answer = self.daemon.request("GET", f"/api/secrets/{quote(key, safe='')}?reveal=true")
        assert answer.status == 200, answer.raw
        found: str = answer.json["value"]
        return found

    def send(
        self, host: str, method: str, path: str, body: Any = None, cookie: str = ""
    ) -> tuple[int, Any, str]:
        """What a host name answers to JSON: its status, the data, and the cookie that it sets."""
        headers = {"Host": host, "Content-Type": "application/json", "Cookie": cookie}
        connection = _Https(host, self.machine.front, self.authority)
        try:
            connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            told = answer.read().decode()
            kept = (answer.getheader("Set-Cookie") or "").partition(";")[0]
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return answer.status, json.loads(told) if is_json else told, kept
        finally:
            connection.close()

    def certificate(self, host: str) -> set[str]:
        """The names of the certificate that a host name is answered with, checked."""
        connection = _Https(host, self.machine.front, self.authority)
        try:
            connection.connect()
            told: dict[str, Any] = connection.sock.getpeercert() or {}
            return {name for _, name in told["subjectAltName"]}
        finally:
            connection.close()

    def visit(self, host: str, *words: str) -> str:
        """What a visitor is told over plain HTTP: status, and where to go instead."""
        return docker(
            *("exec", self.world, "curl", "-s", "-o", "/dev/null", *words),
            *("--resolve", f"{host}:80:{self.machine.ip}"),
            *("-w", "%{http_code} %{redirect_url}", f"http://{host}/"),
        )

    def records(self) -> dict[str, str]:
        """The DNS records of the account: addresses by name."""
        address, token = self.control
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            connection.request("GET", "/control/status", headers=headers)
            status = json.loads(connection.getresponse().read())
            return {one["name"]: one["content"] for one in status["dns_records"]}
        finally:
            connection.close()

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        found: dict[str, Any] = self.daemon.request("GET", f"/api/jobs/{job_id}").json
        return found

    def until_logged(self, job_id: str, text: str, within: float = 120) -> None:
        """Wait until a line of the job's log holds a text."""
        deadline = monotonic() + within
        while monotonic() < deadline:
            job = self.job(job_id)
            if any(text in line["message"] for line in job["logs"]):
                return
            assert job["status"] in {"queued", "running"}, job
            sleep(0.05)
        raise AssertionError(f"{job_id} did not log {text!r} within {within:g} s")


class _Https(http.client.HTTPSConnection):
    """HTTPS to a port of ours, for the host name that it comes out at."""

    def __init__(self, host: str, port: int, authority: Path) -> None:
        super().__init__(host, port, timeout=30)
        self._trusted = ssl.create_default_context(cafile=str(authority))

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._trusted.wrap_socket(plain, server_hostname=self.host)


@contextmanager
def looking_after(machine: Machine, registry: str, home: Path) -> Iterator[House]:
    """A daemon with a DNS account, which trusts Pebble's certificates as it would Let's Encrypt's.

    The world's names of the zone point at this machine from now on.
    """
    home.mkdir(parents=True, exist_ok=True)
    lay_out(home / "daemon" / "config" / "catalog")
    authority = home / "authority.pem"
    authority.write_text(_root(registry))
    with _cloudflare(home / "cloudflare") as account:
        trusted = {"CLOUDFLARE_BASE_URL": account["cloudflare"], "SSL_CERT_FILE": str(authority)}
        trusted["LIVCHAT_NAMESERVERS"] = account["dns"]
        with daemon_running(home / "daemon", scale=1, **trusted) as daemon:
            credential = {"api_token": account["cloudflare_token"]}
            assert daemon.request("POST", "/api/config/cloudflare", credential).status == 200
            control = account["control"], account["token"]
            house = House(daemon, machine, registry, authority, control)
            house.point_names()
            yield house


def _root(registry: str) -> str:
    """The root certificate that Pebble made itself when it started."""
    return docker("exec", registry, "curl", "-ks", "https://127.0.0.1:15000/roots/0") + "\n"


@contextmanager
def _cloudflare(folder: Path) -> Iterator[dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}"}
    told = folder / "sandbox.json"
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "livchat_sandbox", "--folder", str(folder)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = monotonic() + 30
        while not told.exists() and monotonic() < deadline:
            sleep(0.05)
        yield json.loads(told.read_text())
    finally:
        sandbox.terminate()
        sandbox.wait(20)
