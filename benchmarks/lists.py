"""50 of 100,000 jobs over HTTP by every filter, beside a bare GET of as many bytes."""

from __future__ import annotations

import json

from rig import tables
from rig.measure import RIG, Figure, folder, main, median, ms, process
from rig.talking import Asker

BUSY, QUIET = tables.server(1), tables.server(77)
FILTERS = {
    "none": "",
    "status": "status=failed",
    "type": "type=setup_server",
    "server": f"server={BUSY}",
    "a server with few": f"server={QUIET}",
    "status and type": "status=cancelled&type=deploy_app",
    "type and server": f"type=create_server&server={BUSY}",
    "status and server": f"status=failed&server={BUSY}",
    "all three": f"status=failed&type=delete_app&server={BUSY}",
    "none that match": "status=running",
}


def run(*, quick: bool) -> list[Figure]:
    """Each filter by turns with the bare site, in one process on one loop."""
    jobs, rounds = (5_000, 40) if quick else (tables.JOBS, 200)
    with folder() as home:
        tables.put(home, jobs)
        with process(str(RIG / "stepless_daemon.py"), str(home)):
            daemon, bare = Asker(home / "daemon.sock"), Asker(home / "bare.sock")
            return [_figure(daemon, bare, name, query, rounds) for name, query in FILTERS.items()]


def _figure(daemon: Asker, bare: Asker, name: str, query: str, rounds: int) -> Figure:
    target = f"/api/jobs?limit=50&{query}"
    _, body = daemon.ask("GET", target)
    times: dict[str, list[float]] = {"list": [], "same": [], "tiny": []}
    for _ in range(rounds):
        times["list"].append(daemon.ask("GET", target)[0])
        times["same"].append(bare.ask("GET", f"/sized/{len(body)}")[0])
        times["tiny"].append(bare.ask("GET", "/tiny")[0])
    at = {kind: median(values) for kind, values in times.items()}
    against = at["list"] / at["same"]
    found = json.loads(body)
    return Figure(
        f"list, filter: {name} ({len(found['jobs'])} of {found['total']:,})",
        f"{ms(at['list'])}, {against:.2f} times",
        f"bare GET of {len(body):,} bytes {ms(at['same'])}; tiny {ms(at['tiny'])}",
        "1.5 times a bare GET", against <= 1.5,
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
