"""GET /health while 50 jobs run and the provider's API hangs: under them, and beside them."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
from functools import partial
from time import monotonic, perf_counter, sleep  # noqa: TID251 - a client in threads

from rig.measure import Figure, folder, main, median, ms, quantile
from rig.talking import Asker

from tests.integration.daemon_process import DaemonProcess, running

TOKEN = "x" * 64
ASKING = 8
PAUSE = 0.005
LONGEST = 120.0


CATALOG = ("/v1/server_types", "/v1/locations", "/v1/images", "/v1/pricing")
"""What is answered; a provider that hangs before an order can be checked takes no job at all."""


def run(*, quick: bool) -> list[Figure]:
    """Jobs that the provider holds up, then busy jobs with a provider that hangs beside them."""
    jobs = 10 if quick else 50
    return [*_stuck(jobs), *_busy(jobs)]


def _stuck(jobs: int) -> list[Figure]:
    """All jobs wait for a provider that takes their calls and never answers."""
    with folder() as home, running(home / "beside", scale=0) as beside:
        beside.request("GET", "/api/providers/server-types?provider=sandbox")
        told = json.loads((beside.home / "state" / "sandbox" / "sandbox.json").read_text())
        hanging = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(_Hanging, told["hetzner"].removesuffix("/v1"))
        )
        hanging.daemon_threads = True
        threading.Thread(target=hanging.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{hanging.server_address[1]}/v1"
        with running(home / "daemon", "--log-level", "warning", HCLOUD_ENDPOINT=endpoint) as daemon:
            asker = Asker(daemon.socket)
            order = {"name": "hetzner", "token": told["token"], "verify": False}
            asker.ask("POST", "/api/config/provider", order)
            asker.ask("GET", "/api/providers/server-types?provider=hetzner")
            asker.ask("GET", "/api/providers/images?provider=hetzner")
            quiet = [_health(asker) for _ in range(200)]
            for number in range(jobs):
                order = {"name": f"stuck-{number}", "provider": "hetzner"}
                asker.ask("POST", "/api/servers", order)
            held = []
            for _ in range(1000):
                held.append(_health(asker))
                sleep(PAUSE)
            counts = json.loads(asker.ask("GET", "/health")[1])["jobs"]
        hanging.shutdown()
    slow = quantile(held, 0.99)
    return [
        Figure(
            f"GET /health with {counts['running']} jobs held up by a provider that hangs, p99",
            f"{ms(slow)} (p50 {ms(median(held))}, worst {ms(max(held))}, {len(held):,} asked)",
            f"quiet p50 {ms(median(quiet))}, p99 {ms(quantile(quiet, 0.99))}",
            "25 ms", slow <= 0.025,
        )
    ]  # fmt: skip


class _Hanging(http.server.BaseHTTPRequestHandler):
    """Hetzner's API: the catalog is the sandbox's, any other call is taken and never answered."""

    def __init__(self, behind: str, *given: object) -> None:
        self._behind = behind.removeprefix("http://")
        super().__init__(*given)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        """Pass the catalog on, hold the rest."""
        if not self.path.startswith(CATALOG):
            sleep(LONGEST)
            return
        behind = http.client.HTTPConnection(self._behind, timeout=30)
        behind.request("GET", self.path, headers={"Authorization": self.headers["Authorization"]})
        answer = behind.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names


def _busy(jobs: int) -> list[Figure]:
    """Jobs that bring up n8n in the sandbox, with requests that wait for the provider."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent, folder() as home:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with running(home, "--log-level", "warning", scale=0.1, HCLOUD_ENDPOINT=endpoint) as daemon:
            return _measured(daemon, jobs)


def _measured(daemon: DaemonProcess, jobs: int) -> list[Figure]:
    asker = Asker(daemon.socket)
    order = {"name": "hetzner", "token": TOKEN, "verify": False}
    asker.ask("POST", "/api/config/provider", order)
    quiet = [_health(asker) for _ in range(200)]
    for _ in range(ASKING):
        threading.Thread(target=_hang, args=(daemon,), daemon=True).start()
    started = [_start(asker, number) for number in range(jobs)]
    busy, deadline = [], monotonic() + LONGEST
    while monotonic() < deadline:
        busy.append(_health(asker))
        sleep(PAUSE)
        if len(busy) % 50 == 0 and _done(asker):
            break
    ended = [json.loads(asker.ask("GET", f"/api/jobs/{job}")[1])["status"] for job in started]
    slow = quantile(busy, 0.99)
    return [
        Figure(
            f"GET /health with {jobs} jobs bringing up n8n beside a provider that hangs, p99",
            f"{ms(slow)} (p50 {ms(median(busy))}, worst {ms(max(busy))}, {len(busy):,} asked)",
            f"quiet p50 {ms(median(quiet))}, p99 {ms(quantile(quiet, 0.99))}; "
            f"{ended.count('completed')} of {jobs} jobs completed",
            "25 ms", slow <= 0.025,
        )
    ]  # fmt: skip


def _health(asker: Asker) -> float:
    return asker.ask("GET", "/health")[0]


def _start(asker: Asker, number: int) -> str:
    order = {
        "apps": ["n8n"], "server": f"busy-{number}", "provider": "sandbox",
        "zone_name": "livchat.localhost", "subdomain": f"busy{number}",
    }  # fmt: skip
    job_id: str = json.loads(asker.ask("POST", "/api/up", order)[1])["job_id"]
    return job_id


def _done(asker: Asker) -> bool:
    counts: dict[str, int] = json.loads(asker.ask("GET", "/health")[1])["jobs"]
    return not sum(counts.values())


def _hang(daemon: DaemonProcess) -> None:
    began = perf_counter()
    while perf_counter() - began < LONGEST:
        try:
            Asker(daemon.socket).ask("GET", "/api/providers/server-types?provider=hetzner")
        except (OSError, RuntimeError):
            sleep(0.2)


if __name__ == "__main__":
    main(run)
