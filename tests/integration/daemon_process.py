"""A real daemon as a process of its own, in a home of its own, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any

from livchat.client.client import Client

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
JOB_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the daemon answered."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float = 30) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class DaemonProcess:
    """A daemon that can be killed and started again; its home stays."""

    def __init__(self, home: Path, *options: str, scale: float = 0, **environment: str) -> None:
        self.home = home
        self.options = options
        self.environment = {
            **os.environ,
            "LIVCHAT_HOME": str(home),
            "LIVCHAT_SANDBOX_TIME_SCALE": str(scale),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'daemon'}",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.home / "run" / "livchatd.sock"

    @property
    def log(self) -> Path:
        return self.home / "daemon.log"

    @property
    def lock(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "state" / "livchatd.lock").read_text())
        return found

    @property
    def client(self) -> Client:
        return Client(socket_path=str(self.socket))

    def spawn(self, *options: str) -> subprocess.Popen[bytes]:
        """A daemon process of this home; whoever spawns it ends it."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "livchatd", *self.options, *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> DaemonProcess:
        """Start it, and return once it answers with its jobs taken up."""
        self.process = self.spawn()
        deadline = monotonic() + START_SECONDS
        while monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/api/jobs?limit=1").status == 200:
                    return self
            sleep(0.01)
        raise AssertionError(f"the daemon does not answer: {self.log.read_text()[-2000:]}")

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        """One request over the Unix socket. Bytes go as they are, anything else as JSON."""
        connection = UnixConnection(self.socket, timeout)
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def submit(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        """Start a job; its id."""
        answer = self.request(method, path, body, headers)
        assert answer.status == 202, answer.raw
        job_id: str = answer.json["job_id"]
        return job_id

    def wait(self, job_id: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """The job once it has ended."""
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            path = f"/api/jobs/{job_id}/wait?timeout=5"
            job: dict[str, Any] = self.request("GET", path, timeout=20).json
            if job["status"] in {"completed", "failed", "cancelled"}:
                return job
        raise AssertionError(f"{job_id} has not ended in {seconds} s: {job}")

    def sandbox(self, path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        """What the sandbox's control API answers."""
        told = json.loads((self.home / "state" / "sandbox" / "sandbox.json").read_text())
        connection = http.client.HTTPConnection(told["control"].removeprefix("http://"), timeout=10)
        headers = {"Authorization": f"Bearer {told['token']}"}
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, f"/control/{path}", body=sent, headers=headers)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it at this instant."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def end(self) -> None:
        """End it and its sandbox."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        # Asked, not killed: its process id may belong to somebody else by now.
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            self.sandbox("stop", "POST")


@contextlib.contextmanager
def running(
    home: Path, *options: str, scale: float = 0, **environment: str
) -> Iterator[DaemonProcess]:
    """A daemon that has started and is ended afterwards, with its sandbox."""
    daemon = DaemonProcess(home, *options, scale=scale, **environment)
    try:
        yield daemon.start()
    finally:
        daemon.end()
