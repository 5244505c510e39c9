"""GET /health while 50 jobs run in the sandbox and the provider's API never answers."""

from __future__ import annotations

import json
import socket
import threading
from time import monotonic, perf_counter, sleep  # noqa: TID251 - a client in threads

from measure import Figure, folder, main, median, ms, quantile
from talking import Asker

from tests.integration.daemon_process import DaemonProcess, running

TOKEN = "x" * 64
ASKING = 8
PAUSE = 0.005
LONGEST = 120.0


def run(*, quick: bool) -> list[Figure]:
    """Quiet first, then with the jobs and with requests that wait for the provider."""
    jobs = 10 if quick else 50
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
            f"GET /health with {jobs} jobs and a provider that hangs, p99",
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
