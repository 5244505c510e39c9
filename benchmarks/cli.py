"""`livchat job list` beside a bare typer app of one command that asks once by http.client."""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter

from rig import tables
from rig.measure import Figure, folder, main, median

from tests.integration.daemon_process import running

BARE = """
import http.client, json, socket, sys
import typer
app = typer.Typer()
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
@app.command()
def jobs(path: str) -> None:
    connection = Connection("localhost")
    connection.request("GET", "/api/jobs?limit=50")
    for job in json.loads(connection.getresponse().read())["jobs"]:
        print(job["job_id"], job["status"], job["summary"])
app()
"""


def run(*, quick: bool) -> list[Figure]:
    """Medians of rounds, each program by turns."""
    rounds = 5 if quick else 15
    with folder() as home:
        tables.put(home, 500)
        with running(home, "--log-level", "warning") as daemon:
            environment = {**os.environ, "LIVCHAT_HOME": str(home), "NO_COLOR": "1"}
            programs = {
                "livchat": ["-m", "livchat", "job", "list"],
                "script": ["-c", BARE, str(daemon.socket)],
                "pass": ["-c", "pass"],
            }
            times: dict[str, list[float]] = {name: [] for name in programs}
            for turn in range(rounds + 1):
                for name, program in programs.items():
                    took = _took(program, environment)
                    # The first round writes byte code.
                    if turn:
                        times[name].append(took)
    at = {name: median(values) for name, values in times.items()}
    against = at["livchat"] / at["script"]
    return [
        Figure(
            "livchat job list", f"{at['livchat'] * 1000:.0f} ms, {against:.2f} times",
            f"bare script {at['script'] * 1000:.0f} ms, python -c pass {at['pass'] * 1000:.0f} ms",
            "1.3 times a bare script", against <= 1.3,
        )
    ]  # fmt: skip


def _took(program: list[str], environment: dict[str, str]) -> float:
    began = perf_counter()
    subprocess.run(
        [sys.executable, *program], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    return perf_counter() - began


if __name__ == "__main__":
    main(run)
