"""Runs every benchmark, and rewrites the table of figures in README.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rig import tables
from rig.measure import HERE, Figure, folder, line, machine, verdict

NAMES = ("engine", "submit", "events", "lists", "start", "health", "cli", "demo")
README = HERE / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def main() -> None:
    """One after the other, since they would disturb each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; README is left alone")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="only these, and no README")
    options = parser.parse_args()
    found: dict[str, list[Figure]] = {}
    with folder() as home:
        if not options.quick:
            table = home / "table.db"
            tables.build(table)
            os.environ[tables.GIVEN] = str(table)
        for name in options.names or NAMES:
            found[name] = _run(name, home / f"{name}.json", quick=options.quick)
    if not options.quick and not options.names:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        README.write_text(f"{before}{BEGIN}\n{_table(found)}\n{END}{after}", encoding="utf-8")
    missed = sum(figure.kept is False for figures in found.values() for figure in figures)
    print(f"{missed} missed")


def _run(name: str, file: Path, *, quick: bool) -> list[Figure]:
    script = str(HERE / f"{name}.py")
    command = [sys.executable, script, "--json", str(file), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        # The others can still be told.
        return [Figure(f"{name}.py", f"ended with {done.returncode}", kept=False)]
    figures = [Figure(**figure) for figure in json.loads(file.read_text())]
    for figure in figures:
        print(line(figure), flush=True)
    return figures


def _table(found: dict[str, list[Figure]]) -> str:
    rows = [
        f"Run on {datetime.now(UTC):%Y-%m-%d} on {machine()}, {_load()}.",
        "",
        "| command | what | figure | beside it, in the same run | promise | |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in found.items():
        for figure in figures:
            cells = (
                f"`python benchmarks/{name}.py`", figure.what, figure.value, figure.yardstick,
                figure.promise, verdict(figure).lower(),
            )  # fmt: skip
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _load() -> str:
    """How busy the machine was: only near 1 are these the figures of a quiet one."""
    return f"load average over the last 15 minutes {os.getloadavg()[2]:.1f}"


if __name__ == "__main__":
    main()
